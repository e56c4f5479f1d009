//! Running other programs.

use std::process::{Command, ExitStatus};

use anyhow::{Context, ensure};

use crate::workspace::Workspace;

/// Returns cargo at the root of the workspace.
///
/// The cargo that started xtask is used again, so a toolchain chosen with `cargo +name` stays chosen.
pub(crate) fn cargo(workspace: &Workspace, arguments: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&workspace.root).args(arguments.split_whitespace());
    command
}

/// Returns the command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy();
    let variables = command.get_envs().filter_map(|(name, value)| {
        let (name, value) = (name.to_string_lossy(), value?.to_string_lossy());
        let quote = if value.contains(' ') { "\"" } else { "" };
        Some(format!("{name}={quote}{value}{quote}"))
    });
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    variables.chain([program.into_owned()]).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Runs the command and fails with its line when it fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("`{}` did not start", line(command)))?;
    succeeded(command, status)
}

/// Runs the command and returns what it printed on standard output.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("`{}` did not start", line(command)))?;
    succeeded(command, output.status)?;
    Ok(output.stdout)
}

fn succeeded(command: &Command, status: ExitStatus) -> anyhow::Result<()> {
    ensure!(status.success(), "`{}` failed ({status})", line(command));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted_into_a_shell() {
        let mut command = Command::new("/opt/bin/cargo");
        command.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(line(&command), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps");
    }

    #[cfg(unix)]
    #[test]
    fn a_failure_names_the_command() {
        let error = run(&mut Command::new("false")).unwrap_err().to_string();
        assert!(error.starts_with("`false` failed"), "{error}");
    }
}
