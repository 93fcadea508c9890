//! `ringside-sensor`: see `--help`.

fn main() {}
