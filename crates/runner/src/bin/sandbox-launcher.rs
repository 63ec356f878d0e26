//! The launcher alone, for the tests of this crate. The program `trunkline` holds the same, and is what is shipped.

fn main() -> std::process::ExitCode {
    let code = trunkline_runner::sandbox_main(std::env::args_os().skip(1));
    std::process::ExitCode::from(code.unwrap_or(2))
}
