//! `cargo xtask generate`: files that are derived from the code.

use std::fs;

use anyhow::{Context, bail, ensure};

use crate::process;
use crate::workspace::Workspace;

const SCHEMA: &str = "pipelines/schema.json";

/// Options of `generate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fails when a file is not current instead of writing it.
    #[arg(long)]
    check: bool,
}

/// Writes `pipelines/schema.json`, or compares it with what would be written.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let mut command = process::cargo(workspace, "run --quiet --package augraft -- schema");
    let fresh = with_one_newline(&process::output(&mut command)?)?;
    let path = workspace.root.join(SCHEMA);
    let current = fs::read_to_string(&path).is_ok_and(|old| old == fresh);
    match (current, args.check) {
        (true, _) => println!("{SCHEMA} is current"),
        (false, true) => bail!("{SCHEMA} is not current; run `cargo xtask generate`"),
        (false, false) => {
            fs::write(&path, fresh).with_context(|| format!("cannot write {SCHEMA}"))?;
            println!("{SCHEMA} written");
        }
    }
    Ok(())
}

fn with_one_newline(printed: &[u8]) -> anyhow::Result<String> {
    let text = std::str::from_utf8(printed).context("`augraft schema` printed something else than text")?.trim_end();
    ensure!(text.starts_with('{') && text.ends_with('}'), "`augraft schema` did not print a JSON object");
    Ok(format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::with_one_newline;

    #[test]
    fn a_schema_ends_with_one_newline() {
        assert_eq!(with_one_newline(b"{}").unwrap(), "{}\n");
        assert_eq!(with_one_newline(b"{}\r\n\n").unwrap(), "{}\n");
    }

    #[test]
    fn something_else_than_an_object_is_refused() {
        assert!(with_one_newline(b"").is_err());
        assert!(with_one_newline(b"usage: augraft").is_err());
        assert!(with_one_newline(b"\xff").is_err());
    }
}
