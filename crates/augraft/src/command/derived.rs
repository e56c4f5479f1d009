//! Files that are derived from the code: schema, reference of the operators, completions, manual pages and pictures.

use std::fs;
use std::path::Path;

use augraft_operator::Registry;
use clap::CommandFactory;
use clap_complete::Shell;

use super::cli::Cli;
use super::print::print;
use crate::failure::Failure;
use crate::strips::write_strips;

/// Shells whose completions are kept as files.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// The schema of pipeline files, as text.
pub(super) fn schema(registry: &Registry) -> Result<String, Failure> {
    let schema = serde_json::to_string_pretty(&crate::schema(registry)).map_err(Failure::user)?;
    Ok(format!("{schema}\n"))
}

/// Prints the completions of this program for a shell.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&program).file_stem().map_or_else(|| "augraft".into(), |name| name.to_string_lossy());
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut public(), name, &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes everything below `out`, at the places that it has in the repository; the pictures where there are photos to make them of.
pub(super) fn generate(out: &Path, photos: Option<&Path>, registry: &Registry) -> Result<(), Failure> {
    let [completions, manual] = ["crates/augraft/completions", "crates/augraft/man"].map(|folder| out.join(folder));
    for folder in [&completions, &manual, &out.join("pipelines"), &out.join("plugins")] {
        fs::create_dir_all(folder).map_err(Failure::user)?;
    }
    fs::write(out.join("pipelines/schema.json"), schema(registry)?).map_err(Failure::user)?;
    let reference = augraft_pipeline::operators_reference(registry, |name| format!("strips/{name}.png"));
    fs::write(out.join("plugins/OPERATORS.md"), reference).map_err(Failure::user)?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut public(), "augraft", &completions).map_err(Failure::user)?;
    }
    clap_mangen::generate_to(public(), &manual).map_err(Failure::user)?;
    photos.map_or(Ok(()), |photos| write_strips(&out.join("plugins/strips"), photos, registry))
}

/// The command line without what only the repository needs.
fn public() -> clap::Command {
    let whole = Cli::command();
    let shown: Vec<_> = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    let named = clap::Command::new("augraft").version(env!("CARGO_PKG_VERSION")).arg_required_else_help(true);
    named.about(whole.get_about().cloned().unwrap_or_default()).subcommands(shown)
}
