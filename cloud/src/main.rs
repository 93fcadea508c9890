//! `ringside-cloud`: see `--help`.

fn main() {}
