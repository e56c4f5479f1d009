//! The program under test.

fn main() -> std::process::ExitCode {
    augraft::main()
}
