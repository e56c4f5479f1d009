//! Steps that hold steps, and macros.

use std::fs;
use std::path::Path;

use augraft::operator::Registry;
use augraft::pipeline::{Facts, PipelineSpec, Plan, Report, read_macro};
use augraft_tests::plan_of;
use insta::assert_snapshot;
use tempfile::TempDir;

fn planned(steps: &str) -> Plan {
    plan_of(&format!("augraft: 1\nsteps:\n{steps}"), &Facts { classes: 3, ..Facts::default() })
}

fn problems(steps: &str) -> String {
    match PipelineSpec::parse(&format!("augraft: 1\nsteps:\n{steps}"), Path::new("p.yaml"), &Registry::linked()) {
        Ok(_) => panic!("no problems found"),
        Err(report) => lines(&report),
    }
}

fn lines(report: &Report) -> String {
    let line = |found: &augraft::pipeline::Diagnostic| {
        let help = found.help.as_deref().unwrap_or("-");
        format!("{}:{} {} | {} | {help}", found.span.line, found.span.column, found.code, found.message)
    };
    report.diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn combinators_become_steps_in_a_row() {
    let plan = planned(
        "  - center_crop: { size: 32 }
  - normalize: half
  - one_of:
      p: 0.8
      weights: [3, 1]
      steps:
        - cutmix
        - schedule:
            epochs: [0, 10]
            steps:
              - mixup: { alpha: 0.2 }
  - repeat:
      count: 2
      steps:
        - id: hole
          cutout: { length: 8 }
        - horizontal_flip
  - horizontal_flip
",
    );
    let steps: Vec<String> = plan.explain().lines().skip_while(|line| *line != "steps").map(str::to_owned).collect();
    assert_snapshot!(steps.join("\n"), @"
    steps
      center_crop        center_crop { size: 32 }  u8 [N][3,H,W] -> u8 [N,3,32,32]    exact  draws nothing
      normalize          normalize half            u8 [N,3,32,32] -> f32 [N,3,32,32]  exact  draws nothing
      cutmix             cutmix                    f32 [N,3,32,32]                    exact  draws apply, lam, top, left, bottom, right, partner; one of several, 0.600 of the time
      mixup              mixup { alpha: 0.2 }      f32 [N,3,32,32]                    exact  draws apply, lam, partner; one of several, 0.200 of the time; p scheduled by the epoch
      hole               cutout { length: 8 }      f32 [N,3,32,32]                    exact  draws apply, top, left, bottom, right
      horizontal_flip    horizontal_flip           f32 [N,3,32,32]                    exact  draws apply
      hole-2             cutout { length: 8 }      f32 [N,3,32,32]                    exact  draws apply, top, left, bottom, right
      horizontal_flip-2  horizontal_flip           f32 [N,3,32,32]                    exact  draws apply
      horizontal_flip-3  horizontal_flip           f32 [N,3,32,32]                    exact  draws apply
    ");
}

#[test]
fn strengths_are_those_of_the_epoch() {
    let steps = "augraft: 1\nepoch: EPOCH\nsteps:\n  - schedule:\n      epochs: [2, 6]\n      curve: CURVE\n      strengths: { length: [4, 20] }\n      steps:\n        - cutout: { length: 10, p: 1 }\n";
    let length = |epoch: u32, curve: &str| {
        let text = steps.replace("EPOCH", &epoch.to_string()).replace("CURVE", curve);
        let plan = plan_of(&text, &Facts { classes: 3, ..Facts::default() });
        assert!(plan.steps[0].scheduled);
        plan.steps[0].operator.config()["length"].as_u64().expect("a number")
    };
    assert_eq!([0, 2, 3, 4, 6, 9].map(|epoch| length(epoch, "linear")), [4, 4, 8, 12, 20, 20]);
    assert_eq!([2, 4, 6].map(|epoch| length(epoch, "cosine")), [4, 12, 20]);
    assert_eq!([2, 5, 6].map(|epoch| length(epoch, "off_after")), [4, 4, 20]);
    assert_eq!([2, 6].map(|epoch| length(epoch, "const")), [4, 4]);
}

#[test]
fn mistakes_in_combinators_are_reported_where_they_are() {
    assert_snapshot!(problems("  - one_of: { weights: [1], steps: [cutmix, mixup] }\n"), @"3:15 wrong-length | `one_of` has 1 weights for 2 steps | give one weight for each step, or leave `weights` out");
    assert_snapshot!(problems("  - one_of: { weights: [0, 0], steps: [cutmix, mixup] }\n"), @"3:15 out-of-range | all weights of `one_of` are 0 | raise one of them");
    assert_snapshot!(problems("  - some_of: { count: [2, 5], steps: [cutmix, mixup] }\n"), @"3:16 out-of-range | `some_of` cannot let 2 to 5 of 2 steps act | `count` lies within 0 to 2, the smaller number first");
    assert_snapshot!(problems("  - some_of: { steps: [cutmix] }\n"), @"3:5 missing-field | `some_of` needs the field `count` | `count`: Number of steps that act, or the least and the largest number.");
    assert_snapshot!(problems("  - repeat: { count: 40, steps: [cutmix] }\n"), @"3:22 out-of-range | `count` must be at most 16, but is 40 | -");
    assert_snapshot!(problems("  - one_of:\n      steps:\n        - resize: { size: 8 }\n        - cutmx\n"), @"
    5:11 bad-step | `resize` has no `p`, so that `one_of` cannot leave it out | put it outside of `one_of`, `schedule`, `some_of`
    6:11 unknown-operator | there is no operator `cutmx` | did you mean `cutmix`?
    ");
    assert_snapshot!(problems("  - schedule: { epochs: [5, 2], steps: [cutmix] }\n"), @"3:17 wrong-value | `schedule` ends at epoch 2, before it starts | -");
    assert_snapshot!(problems("  - schedule: { epochs: [0, 2], strengths: { size: [1, 2] }, steps: [cutmix] }\n"), @"3:46 unknown-field | no step of this `schedule` has the option `size` as a number | -");
    assert_snapshot!(problems("  - one_of\n"), @"3:5 wrong-type | `one_of` must be a map of `steps`, `weights`, `p`, `mode`, but is empty | -");
    assert_snapshot!(problems("  - cutmix: { compat: tim }\n"), @"3:23 unknown-choice | `compat` must be `official`, `torchvision`, `timm-2020`, `timm-1.0.31`, `kornia-0.9`, `mmpretrain`, `openmixup`, `keras` or `composer`, but is `tim` | -");
}

/// The registry with a macro of this text, or its problems.
fn with_macro(text: &str) -> Result<Registry, Report> {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("m.yaml");
    fs::write(&file, text).expect("a file");
    Ok(Registry::linked().with_macro(read_macro(&file)?.expect("a macro")).expect("a new name"))
}

const SOFT: &str = "operator: 1\nname: soft\ndescription: Blends a little.\nparameters: { strength: 0.1, p: 1 }\nsteps:\n  - mixup: { alpha: $strength, p: $p }\n  - id: last\n    horizontal_flip: { p: 1 }\n";

#[test]
fn a_macro_stands_for_its_steps() {
    let registry = with_macro(SOFT).expect("a macro");
    let text = "augraft: 1\nsteps:\n  - soft\n  - id: mine\n    soft: { strength: 0.7 }\n  - mixup\n";
    let spec = PipelineSpec::parse(text, Path::new("p.yaml"), &registry).expect("a pipeline");
    let steps: Vec<String> = spec
        .steps
        .iter()
        .map(|step| format!("{} {} {}", step.id, step.operator.name(), step.operator.config()["alpha"]))
        .collect();
    assert_snapshot!(steps.join("\n"), @"
    soft.mixup mixup 0.1
    soft.last horizontal_flip null
    mine.mixup mixup 0.7
    mine.last horizontal_flip null
    mixup mixup 1.0
    ");
    let wrong =
        PipelineSpec::parse("augraft: 1\nsteps:\n  - soft: { strenght: 1, p: 7 }\n", Path::new("p.yaml"), &registry);
    assert_snapshot!(lines(&wrong.expect_err("problems")), @"
    3:5 out-of-range | `p` must be at most 1, but is 7 | -
    3:13 unknown-field | unknown field `strenght` in `soft` | did you mean `strength`?
    ");
}

#[test]
fn mistakes_in_macros_are_reported_where_they_are() {
    let refused = |text: &str| lines(&with_macro(text).err().expect("problems"));
    assert_snapshot!(refused(&SOFT.replace("alpha: $strength", "alpha: $strngth")), @"
    4:15 unused-parameter | no step uses the parameter `strength` | write `$strength` in place of a value, or leave it out
    6:21 unknown-choice | there is no parameter `strngth` | did you mean `$strength`?
    ");
    assert_snapshot!(refused(&SOFT.replace("name: soft", "name: one_of")), @"2:7 bad-name | `one_of` is a word of every pipeline, so that no macro can have this name | -");
    assert_snapshot!(refused(&SOFT.replace("description: Blends a little.\n", "")), @"1:1 missing-field | the macro needs the field `description` | `description`: What it does: a sentence, and more behind an empty line.");
}
