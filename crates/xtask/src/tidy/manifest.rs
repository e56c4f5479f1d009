//! What the manifest of a member holds.

/// Returns every dependency that does not come from `[workspace.dependencies]`, and missing workspace lints.
///
/// Manifests here keep one dependency per line, so lines are enough and no TOML parser is compiled.
pub(super) fn problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut section = "";
    let mut lints = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            if section.contains("dependencies.") {
                problems.push(format!("{path}:{}: write the dependency as one line", index + 1));
            }
        } else if section.ends_with("dependencies") && !is_inherited(line) {
            let reason = "the version belongs into [workspace.dependencies]; write `workspace = true`";
            problems.push(format!("{path}:{}: {reason}", index + 1));
        } else if section == "lints" && squeezed(line) == "workspace=true" {
            lints = true;
        }
    }
    if !lints {
        problems.push(format!("{path}: add `[lints]` with `workspace = true`"));
    }
    problems
}

fn is_inherited(line: &str) -> bool {
    let line = squeezed(line);
    let own = ["version=", "path=", "git="].iter().any(|key| line.contains(key));
    line.contains("workspace=true") && !own
}

fn squeezed(line: &str) -> String {
    line.chars().filter(|character| !character.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::problems;

    const GOOD: &str = "[package]\nversion.workspace = true\n[dependencies]\n# why\nserde.workspace = true\n\
                        clap = { workspace = true, optional = true } # why\n\n[[test]]\nname = \"a\"\npath = \"b\"\n\
                        [lints]\nworkspace = true\n";

    fn with(lines: &str) -> Vec<String> {
        problems("Cargo.toml", &format!("{GOOD}{lines}"))
    }

    #[test]
    fn inherited_dependencies_pass() {
        assert_eq!(with(""), [""; 0]);
    }

    #[test]
    fn a_version_in_a_member_is_found() {
        assert!(with("[dependencies]\nserde = \"1\"\n")[0].starts_with("Cargo.toml:14: the version"));
        assert_eq!(with("[dev-dependencies]\nserde = { version = \"1\" }\n").len(), 1);
        assert_eq!(with("[target.'cfg(unix)'.dependencies]\nlibc = { path = \"../libc\" }\n").len(), 1);
        assert_eq!(
            with("[dependencies.serde]\nworkspace = true\n"),
            ["Cargo.toml:13: write the dependency as one line"]
        );
    }

    #[test]
    fn missing_lints_are_found() {
        assert_eq!(problems("Cargo.toml", "[lints.rust]\n"), ["Cargo.toml: add `[lints]` with `workspace = true`"]);
    }
}
