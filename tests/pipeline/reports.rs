//! What users see when a pipeline file has problems.

use std::path::Path;

use augraft::operator::Registry;
use augraft::pipeline::{Document, PipelineSpec, Report};
use insta::assert_snapshot;

fn report(text: &str) -> Report {
    match PipelineSpec::parse(text, Path::new("p.yaml"), &Registry::linked()) {
        Ok(spec) => panic!("no problems found: {spec:?}"),
        Err(report) => report,
    }
}

/// The problems of a list of steps, one a line: place, code, message, help.
fn lines(report: &Report) -> String {
    let line = |found: &augraft::pipeline::Diagnostic| {
        let help = found.help.as_deref().unwrap_or("-");
        format!("{}:{} {} | {} | {help}", found.span.line, found.span.column, found.code, found.message)
    };
    report.diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn steps(steps: &str) -> String {
    lines(&report(&format!("augraft: 1\nsteps:\n{steps}\n")))
}

#[test]
fn one_report_has_all_problems_of_a_file() {
    let text = "\
augraft: 1
seed: -3
data: { folder: photos, batch: many }
steps:
  - resized_crop: { size: 224 }
  - cutmx: { alpha: 1.0 }
  - cutmix: { alhpa: 1.0, p: 1.5 }
modle:
  file: x.onnx
";
    assert_snapshot!(report(text).render(false), @"
    error[out-of-range]: `seed` must be at least 0, but is -3
     --> p.yaml:2:7
      |
    2 | seed: -3
      |       ^^

    error[wrong-type]: `data.batch` must be a whole number, but is the text `many`
     --> p.yaml:3:32
      |
    3 | data: { folder: photos, batch: many }
      |                                ^^^^

    error[unknown-operator]: there is no operator `cutmx`
     --> p.yaml:6:5
      |
    6 |   - cutmx: { alpha: 1.0 }
      |     ^^^^^
      |
      = help: did you mean `cutmix`?

    error[unknown-field]: unknown field `alhpa` in `cutmix`
     --> p.yaml:7:15
      |
    7 |   - cutmix: { alhpa: 1.0, p: 1.5 }
      |               ^^^^^
      |
      = help: did you mean `alpha`? fields: `alpha`, `lam_dist`, `p`, `p_scope`, `mode`, `frame`, `box`, `center`, `size`, `empty_box`, `partner`, `label`, `lam`, `compat`

    error[out-of-range]: `p` must be at most 1, but is 1.5
     --> p.yaml:7:30
      |
    7 |   - cutmix: { alhpa: 1.0, p: 1.5 }
      |                              ^^^

    error[unknown-field]: unknown field `modle` in the pipeline
     --> p.yaml:8:1
      |
    8 | modle:
      | ^^^^^
      |
      = help: did you mean `model`? fields: `augraft`, `seed`, `epoch`, `data`, `objects`, `operators`, `steps`, `model`, `experiment`, `out`
    ");
}

#[test]
fn values_are_checked_against_the_schema_of_their_operator() {
    assert_snapshot!(steps("  - cutmix: { alpha: one, p: null }"), @"
    3:22 wrong-type | `alpha` must be a number, but is the text `one` | -
    3:27 wrong-type | `p` must be a number, but is empty | -
    ");
    assert_snapshot!(steps("  - cutmix: { alpha: 0.001, frame: lokal, partner: 3 }"), @"
    3:22 out-of-range | `alpha` must be at least 0.01, but is 0.001 | -
    3:36 unknown-choice | `frame` must be `local` or `project`, but is `lokal` | did you mean `local`?
    3:52 wrong-type | `partner` must be `permute`, `derange`, `roll`, `flip` or `dataset`, but is 3 | -
    ");
    assert_snapshot!(steps("  - cutmix: [1, 2]"), @"3:5 wrong-type | `cutmix` must be a map of `alpha`, `lam_dist`, `p`, `p_scope`, `mode`, `frame`, `box`, `center`, `size`, `empty_box`, `partner`, `label`, `lam`, `compat`, but is a list of 2 | -");
    assert_snapshot!(steps("  - resize: { size: large }"), @"3:21 wrong-type | `size` must be a whole number (as high as wide), or a list of 2 whole numbers (height, then width), but is the text `large` | -");
    assert_snapshot!(steps("  - resize: { size: [224] }"), @"3:15 wrong-length | `size` must be a list of 2 whole numbers, but is a list of 1 | -");
    assert_snapshot!(steps("  - resize: { size: 0 }"), @"3:21 out-of-range | `size` must be at least 1, but is 0 | -");
    assert_snapshot!(steps("  - resize: { size: 224.5 }"), @"3:21 wrong-type | `size` must be a whole number (as high as wide), or a list of 2 whole numbers (height, then width), but is 224.5 | -");
    assert_snapshot!(steps("  - resize: { size: { height: 3 } }"), @"3:15 wrong-type | `size` must be a whole number (as high as wide), or a list of 2 whole numbers (height, then width), but is a map | -");
    assert_snapshot!(steps("  - cutout: { fill: [0, red] }"), @"3:25 wrong-type | `fill[1]` must be a number, but is the text `red` | -");
    assert_snapshot!(steps("  - random_erasing: { ratio: [3, 0.3], p: 0.5 }"), @"3:23 wrong-value | `ratio`: [3, 0.3] is not a range with 0 < low <= high <= 1000 | -");
}

#[test]
fn an_operator_may_be_configured_by_a_name() {
    assert_snapshot!(steps("  - normalize: imagnet"), @"3:16 wrong-type | `normalize` must be `imagenet`, `cifar10`, `cifar100`, `half` or `unit`, or a map of `mean`, `std`, but is the text `imagnet` | did you mean `imagenet`?");
    assert_snapshot!(steps("  - normalize: 3"), @"3:16 wrong-type | `normalize` must be `imagenet`, `cifar10`, `cifar100`, `half` or `unit`, or a map of `mean`, `std`, but is 3 | -");
    assert_snapshot!(steps("  - normalize: { mean: [0.5], sdt: [0.5] }"), @"
    3:5 missing-field | `normalize` needs the field `std` | `std`: Standard deviation of each channel, above 0.
    3:31 unknown-field | unknown field `sdt` in `normalize` | did you mean `std`? fields: `mean`, `std`
    ");
}

#[test]
fn a_step_is_one_operator() {
    assert_snapshot!(steps("  - cutmix:\n    alpha: 1.0"), @"4:5 bad-step | a step has one operator, but this one has `cutmix` and `alpha` | if `alpha` is a field of `cutmix`, indent it further; if it is a step, begin its line with `- `");
    assert_snapshot!(steps("  - { cutmix: {}, mixup: {} }"), @"3:19 bad-step | a step has one operator, but this one has `cutmix` and `mixup` | begin a new step with `- mixup:`");
    assert_snapshot!(steps("  - 7\n  - [cutmix]\n  - id: a\n  -"), @"
    3:5 bad-step | a step must be a map from an operator to its configuration, but is 7 | write `- name: { field: value }`, or `- name` for the defaults
    4:5 bad-step | a step must be a map from an operator to its configuration, but is a list of 1 | write `- name: { field: value }`, or `- name` for the defaults
    5:5 bad-step | a step needs an operator | write `- name: { field: value }`, or `- name` for the defaults
    6:4 bad-step | a step must be a map from an operator to its configuration, but is empty | write `- name: { field: value }`, or `- name` for the defaults
    ");
    assert_snapshot!(steps("  - blur: {}\n  - HorizontalFlip"), @"
    3:5 unknown-operator | there is no operator `blur` | `augraft operators` lists all
    4:5 unknown-operator | there is no operator `HorizontalFlip` | did you mean `horizontal_flip`?
    ");
    assert_snapshot!(steps("  - at: deep\n    cutmix:"), @"3:5 unknown-field | only the steps of a model have `at` | put the step under `model.steps`, or leave `at` out");
}

#[test]
fn ids_are_unique_words() {
    assert_snapshot!(steps("  - id: a\n    cutmix:\n  - mixup\n  - { mixup: {}, id: a }"), @"6:22 duplicate-id | two steps are called `a`, so they would draw the same | the other is in line 4; give one of them another `id`");
    assert_snapshot!(steps("  - { mixup: {}, id: cutmix-2 }\n  - cutmix\n  - cutmix"), @"5:5 duplicate-id | two steps are called `cutmix-2`, so they would draw the same | the other is in line 3; give one of them another `id`");
    assert_snapshot!(steps("  - { mixup: {}, id: a/b }\n  - { mixup: {}, id: 3 }"), @r#"
    3:22 wrong-type | `id` must look like `deep-cutmix` or `cutmix_2`, but is the text `a/b` | -
    4:22 wrong-type | `id` must be text, but is 3 | put it in quotes: `id: "3"`
    "#);
}

#[test]
fn the_outer_maps_are_checked() {
    assert_snapshot!(lines(&report("augraft: 2\nsteps: []\n")), @"1:10 unsupported-version | this augraft reads version 1 of the format, but the file says 2 | use the version of augraft that the file was written for, or a newer one");
    assert_snapshot!(lines(&report("seed: 9223372036854775808\n")), @"
    1:1 missing-field | the pipeline needs the field `augraft` | `augraft`: Version of the format.
    1:1 missing-field | the pipeline needs the field `steps` | `steps`: Steps on the images, in order; each is a map from the name of an operator to its configuration.
    1:7 out-of-range | `seed` must be at most 9223372036854775807, but is 9223372036854775808 | -
    ");
    assert_snapshot!(lines(&report("augraft: 1\nsteps: []\nseed: 99999999999999999999999\n")), @"3:7 out-of-range | `seed` must be at most 9223372036854775807, but is 1e+23 | -");
    assert_snapshot!(lines(&report("- cutmix\n")), @"1:1 wrong-type | the pipeline must be a map of `augraft`, `seed`, `epoch`, `data`, `objects`, `operators`, `steps`, `model`, `experiment`, `out`, but is a list of 1 | -");
    assert_snapshot!(lines(&report("augraft: 1\nsteps: cutmix\nout: ''\n")), @"
    2:8 wrong-type | `steps` must be a list of values, but is the text `cutmix` | -
    3:6 wrong-type | `out` must not be empty | -
    ");
    assert_snapshot!(lines(&report("augraft: 1\nsteps: []\ndata: { batch: 0, on_error: ignore, limit: 0 }\n")), @"
    3:1 missing-field | `data` needs one of the fields `folder`, `flat` or `shards` | -
    3:16 out-of-range | `data.batch` must be at least 1, but is 0 | -
    3:29 unknown-choice | `data.on_error` must be `fail` or `skip`, but is `ignore` | -
    3:44 out-of-range | `data.limit` must be at least 1, but is 0 | -
    ");
    assert_snapshot!(lines(&report("augraft: 1\nsteps: []\ndata: { folder: a, flat: b }\n")), @"3:1 too-many-fields | `data` has more than one of `folder`, `flat`, `shards`; keep one | -");
    let model = "augraft: 1\nsteps: []\nmodel:\n  device: gpu\n  engine: trakt\n  sites: [a]\n  steps:\n    - cutmix\n    - mixup: { alpha: 1 }\n";
    assert_snapshot!(lines(&report(model)), @"
    3:1 missing-field | `model` needs the field `file` | `file`: ONNX file, relative to the pipeline file.
    4:11 wrong-type | `model.device` must look like `cpu` or `cuda:0`, but is the text `gpu` | -
    5:11 unknown-choice | `model.engine` must be `tract` or `onnxruntime`, but is `trakt` | did you mean `tract`?
    6:3 wrong-type | `model.sites` must be a map, but is a list of 1 | -
    8:7 missing-field | `cutmix` needs the field `at` | `at` says which tensor the step acts at; `augraft sites MODEL` lists them
    9:7 missing-field | `mixup` needs the field `at` | `at` says which tensor the step acts at; `augraft sites MODEL` lists them
    ");
}

#[test]
fn broken_yaml_has_one_problem_at_its_place() {
    let parse = |text: &str| lines(&Document::parse("p.yaml", text).expect_err("broken"));
    assert_snapshot!(lines(&report("")), @"1:1 empty-file | the file is empty | a pipeline has at least `augraft: 1` and `steps:`");
    assert_snapshot!(lines(&report("# only words\n")), @"2:1 empty-file | the file is empty | a pipeline has at least `augraft: 1` and `steps:`");
    assert_snapshot!(parse("augraft: 1\nsteps: [a\n"), @"2:8 syntax | unclosed bracket '[' | -");
    assert_snapshot!(parse("augraft: 1\nseed: 1\nseed: 2\n"), @"3:1 duplicate-key | `seed` is here twice | keep one");
    assert_snapshot!(parse("augraft: 1\nsteps:\n\t- cutmix\n"), @"3:2 syntax | tabs cannot indent YAML | indent with spaces");
    assert_snapshot!(parse("augraft: 1\n---\naugraft: 1\n"), @"3:1 several-documents | the file has more than one YAML document | keep one pipeline per file");
    assert_snapshot!(parse("seed: .nan\n"), @"1:7 wrong-value | only finite numbers are allowed | -");
    assert_snapshot!(parse("a: *b\n"), @"1:4 syntax | alias references unknown anchor | -");
    assert_snapshot!(parse("? [a, b]\n: 1\n"), @"1:3 syntax | expected string scalar | -");
}

#[test]
fn a_file_that_explodes_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let last = level - 1;
        text.extend([format!(
            "a{level}: &a{level} [*a{last}, *a{last}, *a{last}, *a{last}, *a{last}, *a{last}, *a{last}, *a{last}, *a{last}]\n"
        )]);
    }
    assert_snapshot!(lines(&Document::parse("p.yaml", &text).expect_err("too much")), @"5:15 too-large | the file is too large, or grows too large by its aliases: 20000 values are allowed | -");
    let deep = "[".repeat(100_000);
    assert_snapshot!(lines(&Document::parse("p.yaml", &deep).expect_err("too deep")), @"1:256 too-large | the values are nested too deep | -");
}

#[test]
fn marks_and_line_ends_of_other_systems_do_not_move_places() {
    assert_snapshot!(lines(&report("\u{feff}augraft: 1\r\nseed: x\r\nsteps:\r\n  - cutmx\r\n")), @"
    2:7 wrong-type | `seed` must be a whole number, but is the text `x` | -
    4:5 unknown-operator | there is no operator `cutmx` | did you mean `cutmix`?
    ");
    assert_snapshot!(report("augraft: 1\r\n# \u{1f600}\r\nsteps: [{ \"cutmix\": { p: \"\u{e4}\" } }]\r\n").render(false), @r#"
    error[wrong-type]: `p` must be a number, but is the text `ä`
     --> p.yaml:3:26
      |
    3 | steps: [{ "cutmix": { p: "ä" } }]
      |                          ^^^
    "#);
}

#[test]
fn unreadable_files_are_reported() {
    let folder = std::env::temp_dir().join(format!("augraft-pipeline-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("p.yaml");
    std::fs::write(&file, b"augraft: 1\n# caf\xe9\nsteps: []\n").expect("written");
    let report = PipelineSpec::read(&file, &Registry::linked()).expect_err("not UTF-8");
    std::fs::remove_dir_all(&folder).expect("removed");
    assert_snapshot!(lines(&report), @"2:6 not-utf8 | the file is not UTF-8 text | save the file as UTF-8");
    let missing = PipelineSpec::read(Path::new("no/such/file.yaml"), &Registry::linked()).expect_err("missing");
    assert_snapshot!(missing.render(false), @"
    error[unreadable]: there is no such pipeline file
    --> no/such/file.yaml
     = help: check the path
    ");
}

#[test]
fn places_are_found_by_path_and_pointer() {
    let text = "augraft: 1\nsteps:\n  - cutmix: { alpha: 0.5, p: \"é\" } # ä\n  - &x resize:\n      size: [7, 8]\n  - *x\nout: ä\n";
    let document = Document::parse("p.yaml", text).expect("valid");
    let place = |path: &str| {
        let span = document.locate(path);
        format!("{}:{} {:?}", span.line, span.column, &text[span.start..span.end])
    };
    let places = [
        "steps[0].cutmix.alpha",
        "/steps/0/cutmix/p",
        "steps[0].cutmix",
        "steps[1]",
        "steps[1].resize.size[1]",
        "steps[2].resize.size[1]",
        "steps[0].cutmix.nothing.here",
        "nothing",
        "",
        "out",
    ];
    assert_snapshot!(places.map(|path| format!("{path}: {}", place(path))).join("\n"), @r#"
    steps[0].cutmix.alpha: 3:22 "0.5"
    /steps/0/cutmix/p: 3:30 "\"é\""
    steps[0].cutmix: 3:5 "cutmix"
    steps[1]: 4:8 "resize"
    steps[1].resize.size[1]: 5:17 "8"
    steps[2].resize.size[1]: 6:5 "*x"
    steps[0].cutmix.nothing.here: 3:5 "cutmix"
    nothing: 1:1 "augraft"
    : 1:1 "augraft"
    out: 7:6 "ä"
    "#);
    let key = document.locate_key("steps[0].cutmix.alpha");
    assert_eq!((key.line, key.column, &text[key.start..key.end]), (3, 15, "alpha"));
}
