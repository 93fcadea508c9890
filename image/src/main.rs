//! `ringside-image`: see `--help`.

fn main() -> std::process::ExitCode {
    ringside_image::commands::main(std::env::args_os().skip(1))
}
