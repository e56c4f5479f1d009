use my_plugin as _;

fn main() -> std::process::ExitCode {
    augraft::main()
}
