//! Which crate may depend on what.

use std::path::Path;

use cargo_metadata::{DependencyKind, Package};

/// The crates of ours that each crate may depend on; the crates of [`FREE`] and the plugins have rules of their own.
const ARROWS: &[(&str, &[&str])] = &[
    ("augraft-onnx", &[]),
    ("augraft-operator", &["augraft-onnx"]),
    ("augraft-pipeline", &["augraft-operator"]),
    ("augraft-data", &[]),
    ("augraft-engine", &["augraft-data", "augraft-onnx", "augraft-operator", "augraft-pipeline"]),
    ("augraft-experiment", &["augraft-data", "augraft-engine", "augraft-onnx", "augraft-operator", "augraft-pipeline"]),
    ("augraft-testkit", &["augraft-engine", "augraft-onnx", "augraft-operator", "augraft-pipeline"]),
    ("xtask", &[]),
];
const PLUGIN: &[&str] = &["augraft-operator"];

/// The crates that may depend on each of ours, plugins included.
const FREE: &[&str] = &["augraft", TESTS];
const TESTS: &str = "augraft-tests";

/// External crates that only one of ours may name.
const OWNED: &[(&str, &str)] = &[
    ("ort", "augraft-engine"),
    ("tract-onnx", "augraft-engine"),
    ("serde_yaml", "augraft-pipeline"),
    ("serde-saphyr", "augraft-pipeline"),
    ("jsonschema", "augraft-pipeline"),
];

/// A crate of the workspace, as far as the rules look at it.
#[derive(Clone, Debug)]
pub(super) struct Crate {
    pub(super) name: String,
    /// The path of the manifest from the root of the workspace, with `/`.
    pub(super) manifest: String,
    dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug)]
struct Dependency {
    name: String,
    dev: bool,
}

impl Crate {
    pub(super) fn new(package: &Package, root: &Path) -> Self {
        let manifest = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
        let dependencies = package.dependencies.iter().map(|dependency| Dependency {
            name: dependency.name.clone(),
            dev: dependency.kind == DependencyKind::Development,
        });
        Self {
            name: package.name.to_string(),
            manifest: manifest.as_str().replace('\\', "/"),
            dependencies: dependencies.collect(),
        }
    }

    /// Returns the folder of the source and the path below it of a file of this crate.
    pub(super) fn source(&self, path: &str) -> Option<(String, String)> {
        let folder = format!("{}src", self.manifest.strip_suffix("Cargo.toml")?);
        let below = path.strip_prefix(&folder)?.strip_prefix('/')?.to_owned();
        Some((folder, below))
    }

    fn is_plugin(&self) -> bool {
        self.manifest.starts_with("plugins/")
    }
}

/// Returns every dependency that has no arrow.
pub(super) fn problems(crates: &[Crate]) -> Vec<String> {
    let mut problems = Vec::new();
    for of_crate in crates {
        if arrows(of_crate).is_none() {
            problems.push(format!("{}: add a row for {} to ARROWS in xtask", of_crate.manifest, of_crate.name));
            continue;
        }
        for dependency in &of_crate.dependencies {
            let reason = match crates.iter().find(|other| other.name == dependency.name) {
                Some(other) => inner_problem(of_crate, other, dependency.dev),
                None => outer_problem(of_crate, dependency),
            };
            problems.extend(reason.map(|reason| {
                format!("{}: {} must not depend on {}: {reason}", of_crate.manifest, of_crate.name, dependency.name)
            }));
        }
    }
    problems
}

enum Arrows {
    All,
    To(&'static [&'static str]),
}

fn arrows(of_crate: &Crate) -> Option<Arrows> {
    if FREE.contains(&of_crate.name.as_str()) {
        return Some(Arrows::All);
    }
    if of_crate.is_plugin() {
        return Some(Arrows::To(PLUGIN));
    }
    ARROWS.iter().find(|(name, _)| *name == of_crate.name).map(|(_, to)| Arrows::To(to))
}

fn inner_problem(from: &Crate, to: &Crate, dev: bool) -> Option<String> {
    let Some(Arrows::To(allowed)) = arrows(from) else { return None };
    if allowed.contains(&to.name.as_str()) {
        return None;
    }
    if to.is_plugin() {
        return Some("only augraft and the tests name a plugin".to_owned());
    }
    let allowed_in_tests = to.name == "augraft-testkit" || !from.is_plugin();
    if dev && allowed_in_tests {
        return None;
    }
    Some(match allowed {
        [] => "it depends on no crate of ours".to_owned(),
        allowed => format!("it may depend on {}", allowed.join(", ")),
    })
}

fn outer_problem(of_crate: &Crate, dependency: &Dependency) -> Option<String> {
    let (_, owner) = OWNED.iter().find(|(name, _)| *name == dependency.name)?;
    let excepted = of_crate.name == TESTS && dependency.dev;
    (of_crate.name != *owner && !excepted).then(|| format!("only {owner} knows it"))
}

/// Returns every plugin that the source of `augraft` does not link.
pub(super) fn link_problems(crates: &[Crate], facade: &str) -> Vec<String> {
    let missing = crates.iter().filter_map(|plugin| {
        let line = format!("use {} as _;", plugin.name.replace('-', "_"));
        // A dependency that no code names is not linked, so its operators would not be registered.
        (plugin.is_plugin() && !facade.contains(&line))
            .then(|| format!("{}: add `{line}` to crates/augraft", plugin.manifest))
    });
    missing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_crate(name: &str, manifest: &str, dependencies: &[(&str, bool)]) -> Crate {
        let dependencies = dependencies.iter().map(|&(name, dev)| Dependency { name: name.to_owned(), dev }).collect();
        Crate { name: name.to_owned(), manifest: manifest.to_owned(), dependencies }
    }

    /// Returns the problems of one crate among the crates that it could name.
    fn found(name: &str, dependencies: &[(&str, bool)]) -> Vec<String> {
        let folder = if name == "augraft-mix" { "plugins/mix" } else { "crates/x" };
        let mut crates = vec![of_crate(name, &format!("{folder}/Cargo.toml"), dependencies)];
        for &(other, _) in ARROWS {
            crates.push(of_crate(other, "crates/y/Cargo.toml", &[]));
        }
        crates.push(of_crate("augraft-color", "plugins/color/Cargo.toml", &[]));
        problems(&crates)
    }

    #[test]
    fn the_arrows_of_the_design_pass() {
        assert!(found("augraft-pipeline", &[("augraft-operator", false), ("serde_yaml", false)]).is_empty());
        assert!(found("augraft-engine", &[("augraft-data", false), ("ort", false)]).is_empty());
        assert!(found("augraft-mix", &[("augraft-operator", false), ("augraft-testkit", true)]).is_empty());
        assert!(found("augraft", &[("augraft-color", false), ("augraft-engine", false)]).is_empty());
        assert!(found("augraft-tests", &[("augraft-color", false), ("serde_yaml", true)]).is_empty());
    }

    #[test]
    fn an_arrow_against_the_design_is_found() {
        let upwards = found("augraft-operator", &[("augraft-pipeline", false)]);
        assert_eq!(
            upwards,
            [
                "crates/x/Cargo.toml: augraft-operator must not depend on augraft-pipeline: it may depend on augraft-onnx"
            ]
        );
        assert_eq!(found("xtask", &[("augraft-onnx", false)]).len(), 1);
        assert_eq!(found("augraft-mix", &[("augraft-testkit", false)]).len(), 1);
        assert_eq!(found("augraft-mix", &[("augraft-engine", true)]).len(), 1);
        assert_eq!(found("augraft-engine", &[("augraft-color", true)]).len(), 1);
    }

    #[test]
    fn an_unknown_crate_needs_a_row() {
        assert_eq!(found("augraft-new", &[]), ["crates/x/Cargo.toml: add a row for augraft-new to ARROWS in xtask"]);
    }

    #[test]
    fn a_heavy_crate_outside_its_owner_is_found() {
        assert_eq!(found("augraft-testkit", &[("tract-onnx", true)]).len(), 1);
        assert_eq!(found("augraft", &[("serde-saphyr", false)]).len(), 1);
        assert_eq!(found("augraft-tests", &[("jsonschema", false)]).len(), 1);
    }

    #[test]
    fn a_plugin_that_is_not_linked_is_found() {
        let crates = [of_crate("augraft-mix", "plugins/mix/Cargo.toml", &[])];
        assert!(link_problems(&crates, "use augraft_mix as _;").is_empty());
        assert_eq!(
            link_problems(&crates, "use augraft_mixture as _;"),
            ["plugins/mix/Cargo.toml: add `use augraft_mix as _;` to crates/augraft"]
        );
    }
}
