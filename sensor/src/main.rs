//! `ringside-sensor`: see `--help`.

fn main() -> std::process::ExitCode {
    ringside_sensor::commands::main(std::env::args_os().skip(1))
}
