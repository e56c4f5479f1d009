//! `augraft new-plugin`: a crate of operators outside of this repository, and a program that links it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use augraft_operator::Registry;

use super::print::print;
use crate::failure::Failure;

/// Relative path and text of every file; the text of the operator is the one that `cargo xtask new-operator` starts from.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../templates/plugin/library.toml")),
    ("src/lib.rs", include_str!("../../templates/operator.rs")),
    ("tests/operators.rs", include_str!("../../templates/plugin/operators.rs")),
    ("fixtures/my_operator/cases.yaml", include_str!("../../templates/plugin/cases.yaml")),
    ("program/Cargo.toml", include_str!("../../templates/plugin/program.toml")),
    ("program/src/main.rs", include_str!("../../templates/plugin/main.rs")),
    ("pipeline.yaml", include_str!("../../templates/plugin/pipeline.yaml")),
    ("README.md", include_str!("../../templates/plugin/README.md")),
    (".gitignore", "target/\nout/\nphotos/\n"),
];

/// Crates that the plugin depends on, and names that Rust has already.
const TAKEN: [&str; 9] = ["alloc", "core", "ndarray", "proc_macro", "program", "schemars", "serde", "std", "test"];

/// Words that no Rust module can have as its name.
const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl in let loop \
                        macro match mod move mut override priv pub ref return self static struct super trait true try type typeof unsafe unsized use \
                        virtual where while yield";

/// Options of `new-plugin`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["augraft", "git"]))]
pub(super) struct Args {
    /// Name of the package, such as film-grain; its operator gets the same name with `_`.
    name: String,
    /// Folder to write, which must be empty or absent [default: the name].
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// A checkout of augraft that the plugin depends on.
    #[arg(long, value_name = "PATH")]
    augraft: Option<PathBuf>,
    /// A git repository of augraft that the plugin depends on.
    #[arg(long, value_name = "URL")]
    git: Option<String>,
}

/// Where the plugin gets augraft from.
enum Source {
    Checkout(String),
    Git(String),
}

/// Writes the plugin and says what to do next.
pub(super) fn new(args: &Args, registry: &Registry) -> Result<(), Failure> {
    check_name(&args.name, registry).map_err(Failure::User)?;
    let source = source(args)?;
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let free = !folder.exists() || folder.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if !free {
        return Err(Failure::User(format!("{} is not empty; `--path` names another folder", folder.display())));
    }
    for (path, text) in FILES {
        let path = folder.join(filled(path, &args.name, &source));
        write(&path, &filled(text, &args.name, &source))?;
    }
    // Lines of the template are as long as this repository likes them; without rustfmt they stay so.
    let mut format = Command::new("rustfmt");
    let _ = format.args(["--edition", "2024"]).arg(folder.join("src/lib.rs")).stderr(Stdio::null()).status();
    let operator = operator_name(&args.name);
    print(&format!(
        "{folder}: a plugin with the operator `{operator}`, which changes nothing yet\n\n\
         fill in {folder}/src/lib.rs: what it does in the doc comment, parameters, `draw`, `apply` and `lower`; then, in {folder}:\n\n  \
         INSTA_UPDATE=always cargo test\n  cargo run -- operators {operator}\n  cargo run -- run pipeline.yaml\n",
        folder = folder.display()
    ))
}

fn check_name(name: &str, registry: &Registry) -> Result<(), String> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '_');
    let operator = operator_name(name);
    let parts = !operator.split('_').any(str::is_empty);
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) || !name.chars().all(plain) || !parts {
        return Err(format!("`{name}` is no name; it has lower-case letters, digits and single `-`, as in film-grain"));
    }
    if let Some(entry) = registry.get(&operator) {
        return Err(format!("there is an operator `{operator}` already, from {}; take another name", entry.origin));
    }
    let reserved = TAKEN.contains(&operator.as_str()) || KEYWORDS.split_whitespace().any(|word| word == operator);
    // A step has these beside its operator, and a crate of ours is not to be shadowed.
    if reserved || matches!(operator.as_str(), "id" | "at") || operator.starts_with("augraft") {
        return Err(format!("`{name}` has a meaning already; take another name"));
    }
    Ok(())
}

fn source(args: &Args) -> Result<Source, Failure> {
    let Some(path) = &args.augraft else { return Ok(Source::Git(args.git.clone().unwrap_or_default())) };
    let checkout = path.canonicalize().ok().filter(|path| path.join("crates/augraft-operator/Cargo.toml").is_file());
    let checkout = checkout.ok_or_else(|| {
        Failure::User(format!("{} is no checkout of augraft: it has no crates/augraft-operator", path.display()))
    })?;
    // A path with a prefix for long names is not understood by every tool on Windows.
    let text = checkout.display().to_string();
    Ok(Source::Checkout(text.trim_start_matches(r"\\?\").replace('\\', "/")))
}

/// A template with the names and the source filled in.
fn filled(template: &str, name: &str, source: &Source) -> String {
    let operator = operator_name(name);
    let dependency = |package: &str| match source {
        Source::Checkout(path) => format!("{{ path = {:?} }}", format!("{path}/crates/{package}")),
        Source::Git(url) => format!("{{ git = {url:?} }}"),
    };
    let (data, hint) = match source {
        Source::Checkout(path) => {
            (format!("{{ folder: {:?}, batch: 8 }}", format!("{path}/pipelines/data/photos")), "the photos of augraft")
        }
        Source::Git(_) => ("{ flat: photos, batch: 8 }".to_owned(), "JPEGs and PNGs that you put into `photos`"),
    };
    [
        // Names come first, because a path may hold anything.
        ("my_operator", operator.clone()),
        ("MyOperator", type_name(&operator)),
        ("my_plugin", operator.clone()),
        ("my-plugin", name.to_owned()),
        ("%OPERATOR%", dependency("augraft-operator")),
        ("%TESTKIT%", dependency("augraft-testkit")),
        ("%AUGRAFT%", dependency("augraft")),
        ("%HINT%", hint.to_owned()),
        ("%DATA%", data),
    ]
    .iter()
    .fold(template.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn operator_name(name: &str) -> String {
    name.replace('-', "_")
}

fn type_name(operator: &str) -> String {
    let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
    operator.split('_').map(capital).collect()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::User(format!("cannot write {}: {error}", path.display()));
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    std::fs::write(path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_are_refused_with_the_reason() {
        let registry = Registry::linked();
        for name in ["film-grain", "film_grain", "grain2"] {
            assert_eq!(check_name(name, &registry), Ok(()));
        }
        for (name, reason) in [
            ("Film", "`Film` is no name; it has lower-case letters"),
            ("2d", "`2d` is no name"),
            ("a--b", "`a--b` is no name"),
            ("grain-", "`grain-` is no name"),
            ("", "`` is no name"),
            ("horizontal-flip", "there is an operator `horizontal_flip` already, from augraft-geometry"),
            ("match", "`match` has a meaning already"),
            ("serde", "`serde` has a meaning already"),
            ("augraft-color", "`augraft-color` has a meaning already"),
            ("at", "`at` has a meaning already"),
        ] {
            let error = check_name(name, &registry).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn templates_are_filled_whole() {
        for source in [Source::Checkout("/src/augraft".to_owned()), Source::Git("https://example.org/a".to_owned())] {
            for (path, text) in FILES {
                let text = filled(text, "film-grain", &source);
                for left in ["my_", "my-", "MyO", "%"] {
                    assert!(!text.contains(left), "{path}: {left}");
                }
            }
        }
        assert_eq!(type_name("film_grain2"), "FilmGrain2");
    }
}
