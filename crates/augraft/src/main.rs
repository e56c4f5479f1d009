//! The `augraft` program.

fn main() -> std::process::ExitCode {
    augraft::main()
}
