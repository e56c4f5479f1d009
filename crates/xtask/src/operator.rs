//! `cargo xtask new-operator`: the files of an operator that changes nothing yet.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use crate::workspace::Workspace;

/// The operator that both this command and `augraft new-plugin` start from; it compiles, and tests hold it to its promises.
const TEMPLATE: &str = "crates/augraft/templates/operator.rs";

const CASES: &str = include_str!("../../augraft/templates/plugin/cases.yaml");

/// Words that no Rust module can have as its name, names that Rust has already, and what a step has beside its operator.
const RESERVED: &str = "abstract alloc as async at augraft await become box break const continue core crate do dyn else enum extern false final fn for \
                        gen id if impl in let lib loop macro match mod move mut override priv pub ref return self static std struct super test trait \
                        true try type typeof unsafe unsized use virtual where while yield";

/// Options of `new-operator`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Family: a folder of plugins/.
    family: String,
    /// Name of the operator in YAML, in `snake_case`.
    name: String,
}

/// Writes the operator, names it in its family, and says what is left to do.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    scaffold(&workspace.root, &args.family, &args.name)?;
    let Args { family, name } = args;
    println!(
        "plugins/{family}/src/{name}.rs: an operator that changes nothing yet\n\n\
         fill in: what it does in the doc comment, parameters in the struct, what is random in `draw!` and `draw`, where pixels come from in `motion` or \
         `mixing`, or how values change in `change` and `lower_change`, PARITY and VALUES;\nplugins/{family}/fixtures/{name}/cases.yaml: configurations that take other paths than the defaults, and how each \
         column is distributed\n\n\
         then:\n  \
         cargo check -p augraft-{family}\n  \
         INSTA_UPDATE=always cargo test -p augraft-{family} --test operators\n  \
         cargo clippy -p augraft-{family} --all-targets -- -D warnings\n  \
         cargo xtask generate\n\n\
         the second command writes plugins/{family}/fixtures/{name}/golden.snap, to be read and kept"
    );
    Ok(())
}

/// Writes the files of an operator below `root`, after everything has been checked.
fn scaffold(root: &Path, family: &str, name: &str) -> anyhow::Result<()> {
    let plugins = root.join("plugins");
    let families = families(&plugins)?;
    ensure!(
        families.iter().any(|known| known == family),
        "there is no family `{family}`; families: {}",
        families.join(", ")
    );
    check_name(name)?;
    if let Some(taken) = operators(&plugins, &families)?.into_iter().find(|(known, _)| known == name) {
        bail!("there is an operator `{name}` already, in {}; take another name", taken.1);
    }
    let folder = plugins.join(family);
    let (library, source) = (folder.join("src/lib.rs"), folder.join(format!("src/{name}.rs")));
    ensure!(!source.exists(), "plugins/{family}/src/{name}.rs exists already; take another name");
    let edited = with_operator(&read(&library)?, name).with_context(|| format!("plugins/{family}/src/lib.rs"))?;
    let operator = operator(&read(&root.join(TEMPLATE))?, family, name);
    let cases = folder.join("fixtures").join(name).join("cases.yaml");
    fs::create_dir_all(cases.parent().unwrap_or(&folder)).context("cannot make the folder of the fixture")?;
    for (path, text) in [(&source, operator.as_str()), (&cases, CASES), (&library, &edited)] {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The folders of `plugins` that are crates, sorted.
fn families(plugins: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(plugins).with_context(|| format!("cannot list {}", plugins.display()))? {
        let path = entry?.path();
        if path.join("Cargo.toml").is_file() {
            found.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    found.sort();
    Ok(found)
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let snake = name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.chars().all(plain)
        && !name.split('_').any(str::is_empty);
    ensure!(snake, "`{name}` is not in snake_case: lower-case letters, digits and single `_`, as in random_erasing");
    ensure!(!RESERVED.split_whitespace().any(|word| word == name), "`{name}` has a meaning already; take another name");
    Ok(())
}

/// Names of all operators, and the files that they are in.
fn operators(plugins: &Path, families: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for family in families {
        let folder = plugins.join(family).join("src");
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            let text = if path.extension().is_some_and(|end| end == "rs") { read(&path)? } else { continue };
            let named = text.lines().filter_map(|line| line.trim().strip_prefix("const NAME: &'static str = \""));
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let place = format!("plugins/{family}/src/{file}");
            found.extend(named.filter_map(|rest| Some((rest.split_once('"')?.0.to_owned(), place.clone()))));
        }
    }
    Ok(found)
}

/// The template under the name of the operator, with what operators of its family usually do to values.
fn operator(template: &str, family: &str, name: &str) -> String {
    let values = if matches!(family, "erase" | "feature") { "Erased" } else { "Changed" };
    let since = format!("SINCE: &'static str = \"{}\"", env!("CARGO_PKG_VERSION"));
    let text = template
        .replace("SINCE: &'static str = \"0.1.0\"", &since)
        .replace("Values::Changed", &format!("Values::{values}"));
    text.replace("my_operator", name).replace("MyOperator", &type_name(name))
}

fn type_name(name: &str) -> String {
    let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
    name.split('_').map(capital).collect()
}

/// The text of a family's `lib.rs` with one operator more, both lines where they stand in order.
fn with_operator(library: &str, name: &str) -> anyhow::Result<String> {
    let type_name = type_name(name);
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    ensure!(
        !library.split(|letter| !is_word(letter)).any(|word| word == type_name),
        "the type `{type_name}` is taken there; take another name"
    );
    let mut lines: Vec<String> = library.lines().map(str::to_owned).collect();
    insert(&mut lines, "mod ", ";", &format!("mod {name};"))?;
    insert(&mut lines, "pub use ", "::", &format!("pub use {name}::{type_name};"))?;
    Ok(lines.join("\n") + "\n")
}

/// Inserts a line among those that begin with `prefix`, by what stands between it and `end`.
fn insert(lines: &mut Vec<String>, prefix: &str, end: &str, line: &str) -> anyhow::Result<()> {
    fn key<'l>(line: &'l str, prefix: &str, end: &str) -> Option<&'l str> {
        line.strip_prefix(prefix)?.split_once(end).map(|(name, _)| name)
    }
    let new = key(line, prefix, end).unwrap_or_default().to_owned();
    let known: Vec<(usize, &str)> =
        lines.iter().enumerate().filter_map(|(at, line)| Some((at, key(line, prefix, end)?))).collect();
    let after = known.iter().find(|(_, name)| *name > new.as_str()).map(|(at, _)| *at);
    // An item may go on over several lines; the next one begins where this one has ended.
    let last = known.last().map(|(at, _)| *at);
    let ended = last.and_then(|last| (last..lines.len()).find(|at| lines[*at].ends_with(';')).map(|at| at + 1));
    let at = after.or(ended).with_context(|| format!("no line begins with `{}`", prefix.trim()))?;
    lines.insert(at, line.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = "//! Operators.\n\nmod cutout;\nmod hole;\nmod random_erasing;\n\npub use cutout::{Cutout, Placement};\n\
                           pub use random_erasing::{\n    Aspect,\n    RandomErasing,\n};\n\nfn helper() {}\n";

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
    }

    #[test]
    fn an_operator_is_named_where_it_stands_in_order() {
        let edited = with_operator(LIBRARY, "grid_mask").unwrap();
        assert!(edited.contains("mod cutout;\nmod grid_mask;\nmod hole;\n"), "{edited}");
        assert!(edited.contains("Placement};\npub use grid_mask::GridMask;\npub use random_erasing"), "{edited}");
        let first = with_operator(LIBRARY, "blot").unwrap();
        assert!(first.contains("\nmod blot;\nmod cutout;") && first.contains("\npub use blot::Blot;\npub use cutout"));
        let last = with_operator(LIBRARY, "wipe").unwrap();
        assert!(last.contains("mod random_erasing;\nmod wipe;\n\n"), "{last}");
        assert!(last.contains("    RandomErasing,\n};\npub use wipe::Wipe;\n\nfn helper() {}\n"), "{last}");
    }

    #[test]
    fn a_type_that_is_taken_is_refused() {
        let error = with_operator(LIBRARY, "placement").unwrap_err().to_string();
        assert_eq!(error, "the type `Placement` is taken there; take another name");
    }

    #[test]
    fn the_template_gets_the_name_everywhere() {
        let text = operator(&fs::read_to_string(root().join(TEMPLATE)).unwrap(), "mix", "film_grain");
        assert!(!text.contains("my_operator") && !text.contains("MyOperator"));
        for part in
            ["pub struct FilmGrain {", "NAME: &'static str = \"film_grain\"", "Values::Changed", "- film_grain: {"]
        {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn a_bad_name_is_refused_before_anything_is_written() {
        for (family, name, reason) in [
            ("paint", "tint", "there is no family `paint`; families: color, erase, feature, geometry, mix"),
            ("color", "Tint", "`Tint` is not in snake_case"),
            ("color", "2d", "`2d` is not in snake_case"),
            ("color", "a__b", "`a__b` is not in snake_case"),
            ("color", "match", "`match` has a meaning already"),
            ("color", "cutmix", "there is an operator `cutmix` already, in plugins/mix/src/cutmix.rs"),
            ("geometry", "angle", "plugins/geometry/src/angle.rs exists already"),
        ] {
            let error = scaffold(root(), family, name).unwrap_err().to_string();
            assert!(error.starts_with(reason) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn files_are_written_where_the_tests_look_for_them() {
        let folder = std::env::temp_dir().join(format!("augraft-new-operator-{}", std::process::id()));
        let family = folder.join("plugins/erase");
        fs::create_dir_all(family.join("src")).unwrap();
        fs::create_dir_all(folder.join("crates/augraft/templates")).unwrap();
        fs::copy(root().join(TEMPLATE), folder.join(TEMPLATE)).unwrap();
        fs::write(family.join("Cargo.toml"), "").unwrap();
        fs::write(family.join("src/lib.rs"), LIBRARY).unwrap();
        scaffold(&folder, "erase", "blot").unwrap();
        assert!(fs::read_to_string(family.join("src/blot.rs")).unwrap().contains("Values::Erased"));
        assert!(fs::read_to_string(family.join("src/lib.rs")).unwrap().contains("mod blot;"));
        assert_eq!(fs::read_to_string(family.join("fixtures/blot/cases.yaml")).unwrap(), CASES);
        let again = scaffold(&folder, "erase", "blot").unwrap_err().to_string();
        assert!(again.starts_with("there is an operator `blot` already"), "{again}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
