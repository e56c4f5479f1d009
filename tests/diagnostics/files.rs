//! Pipelines that are written wrongly.

use augraft_tests::run;
use insta::assert_snapshot;

use crate::support::{Case, RUN, refused};

#[test]
fn an_unknown_operator() {
    assert_snapshot!(refused("steps: [cutmxi: { alpha: 1.0 }]\n"), @"
    error[unknown-operator]: there is no operator `cutmxi`
     --> p.yaml:3:9
      |
    3 | steps: [cutmxi: { alpha: 1.0 }]
      |         ^^^^^^
      |
      = help: did you mean `cutmix`?
    ");
}

#[test]
fn an_unknown_field() {
    assert_snapshot!(refused("steps:\n  - resized_crop: { size: 8, scales: [0.5, 1.0] }\n"), @"
    error[unknown-field]: unknown field `scales` in `resized_crop`
     --> p.yaml:4:30
      |
    4 |   - resized_crop: { size: 8, scales: [0.5, 1.0] }
      |                              ^^^^^^
      |
      = help: did you mean `scale`? fields: `size`, `scale`, `ratio`, `retries`, `interpolation`, `antialias`
    ");
}

#[test]
fn a_wrong_type() {
    assert_snapshot!(refused("steps:\n  - resize: { size: big }\n"), @"
    error[wrong-type]: `size` must be a whole number (as high as wide), or a list of 2 whole numbers (height, then width), but is the text `big`
     --> p.yaml:4:21
      |
    4 |   - resize: { size: big }
      |                     ^^^
    ");
}

#[test]
fn an_out_of_range_value() {
    assert_snapshot!(refused("steps:\n  - resize: { size: 8 }\n  - cutmix: { p: 1.5 }\n"), @"
    error[out-of-range]: `p` must be at most 1, but is 1.5
     --> p.yaml:5:18
      |
    5 |   - cutmix: { p: 1.5 }
      |                  ^^^
    ");
}

#[test]
fn numbers_beyond_single_precision() {
    let resized = "steps:\n  - resize: { size: 8 }\n";
    assert_snapshot!(refused(&format!("{resized}  - normalize: {{ mean: [0, 0, 0], std: [1.0e-60, 1, 1] }}\n")), @"
    error[step-does-not-fit]: `normalize` the statistics of channel 0 are beyond single precision
     --> p.yaml:5:5
      |
    5 |   - normalize: { mean: [0, 0, 0], std: [1.0e-60, 1, 1] }
      |     ^^^^^^^^^
      |
      = help: means lie within 0 to 1, deviations above 0 and about 1 at most
    ");
    assert_snapshot!(refused(&format!("{resized}  - cutout: {{ fill: 1.0e+300 }}\n")), @"
    error[step-does-not-fit]: `cutout.fill`: the value is beyond single precision
     --> p.yaml:5:21
      |
    5 |   - cutout: { fill: 1.0e+300 }
      |                     ^^^^^^^^
    ");
}

#[test]
fn five_problems_are_one_report() {
    let case = Case::new();
    case.pipeline(
        "\
seed: -1
steps:
  - resized_crop: { size: 8, scale: wide }
  - cutmx: {}
  - horizontal_flip: { q: 0.5 }
  - cutout: { length: 0 }
",
    );
    let said = case.refused_with(5, || run(env!("CARGO_BIN_EXE_augraft-under-test"), case.path(), RUN));
    assert_snapshot!(said, @"
    error[out-of-range]: `seed` must be at least 0, but is -1
     --> p.yaml:3:7
      |
    3 | seed: -1
      |       ^^

    error[wrong-type]: `scale` must be a list of 2 numbers, but is the text `wide`
     --> p.yaml:5:37
      |
    5 |   - resized_crop: { size: 8, scale: wide }
      |                                     ^^^^

    error[unknown-operator]: there is no operator `cutmx`
     --> p.yaml:6:5
      |
    6 |   - cutmx: {}
      |     ^^^^^
      |
      = help: did you mean `cutmix`?

    error[unknown-field]: unknown field `q` in `horizontal_flip`
     --> p.yaml:7:24
      |
    7 |   - horizontal_flip: { q: 0.5 }
      |                        ^
      |
      = help: did you mean `p`? fields: `p`

    error[wrong-type]: `length` must be a whole number (pixels), or a number (share of a side), but is 0
     --> p.yaml:8:23
      |
    8 |   - cutout: { length: 0 }
      |                       ^
    ");
}

#[test]
fn broken_yaml() {
    assert_snapshot!(refused("steps: [resize: { size: 8 }\nout: here\n"), @"
    error[syntax]: while parsing a flow mapping, did not find expected ',' or '}'
     --> p.yaml:4:1
      |
    4 | out: here
      | ^
      |
      = help: close what `[` or `{` opened above, or put a comma between the values
    ");
    assert_snapshot!(refused("steps:\n  - resize: { size: 8 }\n   - normalize\n"), @"
    error[syntax]: while parsing a block collection, did not find expected '-' indicator
     --> p.yaml:5:4
      |
    5 |    - normalize
      |    ^
      |
      = help: indent the line like its neighbors
    ");
    assert_snapshot!(refused("steps:\n\t- normalize\n"), @"
    error[syntax]: tabs cannot indent YAML
     --> p.yaml:4:2
      |
    4 |     - normalize
      |     ^
      |
      = help: indent with spaces
    ");
}

#[test]
fn a_missing_pipeline() {
    assert_snapshot!(Case::new().refused(&["run", "quick.yaml"]), @"
    error[unreadable]: there is no such pipeline file
    --> quick.yaml
     = help: check the path
    ");
    assert_snapshot!(Case::new().refused(&["explain", "photos"]), @"
    error[unreadable]: this is a folder, not a pipeline file
    --> photos
     = help: name the YAML file in it
    ");
}

#[test]
fn a_pipeline_that_is_no_text_or_empty() {
    assert_snapshot!(Case::new().file("p.yaml", b"augraft: 1\nout: \xff\n").run(), @"
    error[not-utf8]: the file is not UTF-8 text
     --> p.yaml:2:6
      |
    2 | out: �
      |      ^ this byte
      |
      = help: save the file as UTF-8
    ");
    assert_snapshot!(Case::new().file("p.yaml", b"").run(), @"
    error[empty-file]: the file is empty
    --> p.yaml
     = help: a pipeline has at least `augraft: 1` and `steps:`
    ");
}

#[test]
fn a_wrong_command_line() {
    let case = Case::new();
    case.pipeline("steps: [resize: { size: 8 }]\n");
    assert_snapshot!(case.refused(&["run", "p.yaml", "--threads", "0"]), @"
    error: invalid value '0' for '--threads <THREADS>': 0 is not in 1..=65535

    For more information, try '--help'.
    ");
    assert_snapshot!(case.refused(&["run", "p.yaml", "--device", "gpu"]), @"
    error: invalid value 'gpu' for '--device <DEVICE>': `gpu` is no device; there are `cpu` and `cuda:0`, `cuda:1`, ...

    For more information, try '--help'.
    ");
    assert_snapshot!(case.refused(&["run", "p.yaml", "--limit", "0"]), @"
    error[out-of-range]: --limit must be at least 1
     --> p.yaml:2:1
      |
    2 | data: { folder: photos }
      | ^^^^
    ");
    assert_snapshot!(case.refused(&["operators", "cutmxi"]), @"error: there is no operator `cutmxi`; did you mean `cutmix`?");
}

#[test]
fn a_block_that_is_larger_than_the_map() {
    assert_snapshot!(refused("steps:\n  - resize: { size: 6 }\n  - normalize: imagenet\n  - dropblock: { p: 0.1, block_size: 9 }\n"), @"
    error[step-does-not-fit]: `dropblock.block_size`: a block of 9 x 9 does not fit a map of 6 x 6
     --> p.yaml:6:38
      |
    6 |   - dropblock: { p: 0.1, block_size: 9 }
      |                                      ^
      |
      = help: use at most 6
    ");
    assert_snapshot!(refused("steps:\n  - resize: { size: 6 }\n  - normalize: imagenet\n  - dropblock\n"), @"
    error[step-does-not-fit]: `dropblock.block_size`: a block of 7 x 7 does not fit a map of 6 x 6
     --> p.yaml:6:5
      |
    6 |   - dropblock
      |     ^^^^^^^^^ by default
      |
      = help: use at most 6
    ");
}

#[test]
fn images_that_never_reach_one_size() {
    assert_snapshot!(refused("steps: [horizontal_flip]\n"), @"
    error[sizes-differ]: the steps leave images of different sizes
     --> p.yaml:3:1
      |
    3 | steps: [horizontal_flip]
      | ^^^^^
      |
      = help: add `resized_crop`, `resize` or a crop, so that they make batches
    ");
    assert_snapshot!(refused("steps: []\n"), @"
    error[sizes-differ]: the steps leave images of different sizes
     --> p.yaml:3:1
      |
    3 | steps: []
      | ^^^^^
      |
      = help: add `resized_crop`, `resize` or a crop, so that they make batches
    ");
    assert_snapshot!(refused("steps: [cutmix]\n"), @"
    error[step-does-not-fit]: `cutmix` needs images of one size, but here they still have the sizes of their files
     --> p.yaml:3:9
      |
    3 | steps: [cutmix]
      |         ^^^^^^
      |
      = help: put `resized_crop`, `resize`, `random_crop` or `center_crop` before this step
    ");
}
