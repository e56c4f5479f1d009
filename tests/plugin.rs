//! Operators from outside of the repository: what `augraft new-plugin` writes builds, and its program has the operator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use augraft_tests::{json_lines, read, run, succeed, workspace};

/// What `cargo xtask new-operator` and `augraft new-plugin` write.
#[path = "../crates/augraft/templates/operator.rs"]
pub mod template;

const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");

#[test]
fn the_operator_that_new_ones_start_from_keeps_its_promises() {
    augraft_testkit::assert_conforms(&template::MyOperator::default());
}

#[test]
fn a_name_that_cannot_be_and_a_folder_in_use_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("mine.txt"), "").expect("a file");
    let here = folder.path().display().to_string();
    let root = workspace().display().to_string();
    for (arguments, reason) in [
        (vec!["cutmix", "--augraft", &root], "there is an operator `cutmix` already"),
        (vec!["film-grain", "--augraft", &here], "is no checkout of augraft"),
        (vec!["film-grain", "--augraft", &root, "--path", &here], "is not empty"),
        (vec!["film-grain"], "--augraft"),
    ] {
        let output = run(PROGRAM, folder.path(), &[&["new-plugin"], &arguments[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(reason), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn a_plugin_outside_of_the_repository_builds_runs_and_verifies() {
    let plugin = written();
    // All at once, because the features of a build without the tests would be others, and all crates be built twice.
    let built = cargo(&plugin, &["build", "--all-targets"]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let tested = cargo(&plugin, &["test"]);
    let said = [&tested.stdout[..], &tested.stderr].map(String::from_utf8_lossy).concat();
    assert!(tested.status.success() && said.contains("test operators_keep_their_promises ... ok"), "{said}");
    assert!(plugin.join("fixtures/drop_channel/golden.snap").is_file(), "the snapshot is written");

    let program = target().join("debug/drop-channel-augraft").display().to_string();
    let program = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    let table = succeed(&program, &plugin, &["operators"]);
    let line = table.lines().find(|line| line.starts_with("drop_channel ")).expect("the operator is listed");
    assert!(line.contains("crate drop-channel") && line.contains("exact"), "{line}");
    assert!(table.contains("crate augraft-mix"), "those of augraft are there, too");
    assert!(succeed(&program, &plugin, &["schema"]).contains("\"drop_channel\""));

    let _ = succeed(&program, &plugin, &["run", "pipeline.yaml"]);
    let draws = json_lines(&plugin.join("out/draws.jsonl"));
    let channels: Vec<_> = draws.iter().filter(|draw| draw["drop_channel/apply"] == true).collect();
    assert!(!channels.is_empty() && channels.len() < draws.len(), "p is 0.5: {draws:?}");
    let _ = succeed(&program, &plugin, &["export", "pipeline.yaml", "-o", "steps.onnx"]);
    let report = succeed(&program, &plugin, &["verify", "steps.onnx", "pipeline.yaml", "--batches", "1"]);
    assert!(report.contains("drop_channel"), "{report}");
}

/// The folder of a plugin with the operator of the README, as `new-plugin` writes it.
fn written() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drop-channel");
    let _ = fs::remove_dir_all(&folder);
    let (root, at) = (workspace().display().to_string(), folder.display().to_string());
    let said = succeed(PROGRAM, workspace(), &["new-plugin", "drop-channel", "--augraft", &root, "--path", &at]);
    assert!(said.contains("cargo run -- operators drop_channel"), "{said}");
    let template = read(&folder.join("src/lib.rs"));
    assert!(template.contains("pub struct DropChannel"), "{template}");

    let example = read(&workspace().join("crates/augraft/examples/own_operator.rs"));
    let (operator, _) = example.split_once("\nfn main()").expect("a program");
    let library =
        operator.replace("use std::process::ExitCode;\n\n", "").replace("augraft::operator::", "augraft_operator::");
    fs::write(folder.join("src/lib.rs"), library).expect("a file");

    let fixture = folder.join("fixtures/drop_channel/cases.yaml");
    let drawn = "{ apply: { chance: 0.3 }, channel: { integers: [0, 2] } }";
    fs::write(&fixture, read(&fixture).replace("{ apply: { chance: 0.3 } }", drawn)).expect("a file");

    // With the versions and the profile of the workspace, what it has built of other crates is used again.
    fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock")).expect("a copy");
    let (package, _) = split(&read(&folder.join("Cargo.toml")));
    let (_, profile) = split(&read(&workspace().join("Cargo.toml")));
    fs::write(folder.join("Cargo.toml"), package + &profile).expect("a file");
    folder
}

/// A manifest before and from its first profile on.
fn split(manifest: &str) -> (String, String) {
    let at = manifest.find("[profile.").expect("a profile");
    (manifest[..at].to_owned(), manifest[at..].to_owned())
}

fn cargo(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).args(arguments).arg("--offline").env("CARGO_TARGET_DIR", target());
    command.env("INSTA_UPDATE", "always").env("AUGRAFT_DRAW_ROWS", "1000").output().expect("cargo starts")
}

/// The build folder of the workspace.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a build folder")
}
