//! The schema of pipeline files and the operator pages.

use augraft::engine::load_operator;
use augraft::operator::Registry;
use augraft::pipeline::{listing, operators_reference, operators_table, page, pipeline_schema, unknown_operator};
use augraft_tests::workspace;
use insta::assert_snapshot;
use serde_json::{Value, json};

fn accepts(schema: &Value, file: &Value) -> bool {
    jsonschema::is_valid(schema, file)
}

#[test]
fn the_schema_accepts_pipelines_and_nothing_else() {
    let schema = pipeline_schema(&Registry::linked());
    let full = json!({
        "augraft": 1, "seed": 3, "epoch": 0, "out": "out", "data": { "folder": "photos", "batch": 4, "on_error": "skip" },
        "steps": ["cutmix", { "normalize": "imagenet", "id": "n" }, { "mixup": null }],
        "model": { "file": "m.onnx", "engine": "tract", "device": "cpu", "sites": { "a": "b" }, "steps": [{ "at": "a", "cutmix": { "p": 1 } }] },
    });
    assert!(accepts(&schema, &full));
    for (pointer, wrong) in [
        ("/augraft", json!(2)),
        ("/seed", json!(u64::MAX)),
        ("/data/flat", json!("x")),
        ("/data/batch", json!(0)),
        ("/steps/0", json!("cutmx")),
        ("/steps/1/at", json!("a")),
        ("/steps/1/cutmix", json!({})),
        ("/model/device", json!("gpu")),
        ("/model/steps/0/cutmix/q", json!(1)),
        ("/model/steps/0", json!("cutmix")),
        ("/more", json!(1)),
    ] {
        let mut file = full.clone();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        match file.pointer_mut(parent).expect("a parent") {
            Value::Array(items) => items[name.parse::<usize>().expect("an index")] = wrong,
            parent => parent[name] = wrong,
        }
        assert!(!accepts(&schema, &file), "{pointer}");
    }
    for missing in ["augraft", "steps"] {
        let mut file = full.clone();
        file.as_object_mut().expect("a map").shift_remove(missing);
        assert!(!accepts(&schema, &file), "{missing}");
    }
}

#[test]
fn the_schema_accepts_former_names_and_marks_them() {
    let schema = pipeline_schema(&Registry::linked());
    for step in
        [json!("gaussian_noise"), json!({ "add_noise": { "std": 1 }, "id": "n" }), json!({ "gaussian_noise": null })]
    {
        assert!(accepts(&schema, &json!({ "augraft": 1, "steps": [step] })), "{step}");
    }
    let site = json!({ "at": "a", "add_noise": { "p": 1 } });
    assert!(accepts(&schema, &json!({ "augraft": 1, "steps": [], "model": { "file": "m", "steps": [site] } })));
    assert!(!accepts(&schema, &json!({ "augraft": 1, "steps": [{ "add_noise": { "q": 1 } }] })));
    let steps = schema["$defs"]["step"]["anyOf"].as_array().expect("steps");
    let deprecated = |step: &&Value| step.to_string().contains("\"deprecated\":true");
    let names = steps.iter().filter(deprecated).map(|step| match step["const"].as_str() {
        Some(name) => format!("{name}: {}", step["description"]),
        None => {
            format!("{}: {}", step["required"][0], step["properties"][step["required"][0].as_str().expect("a name")])
        }
    });
    assert_snapshot!(names.collect::<Vec<_>>().join("\n"), @r##"
    "add_noise": {"description":"The former name of `noise` with { relative: true }.","anyOf":[{"$ref":"#/$defs/operator_noise"},{"type":"null"}],"deprecated":true}
    "gaussian_noise": {"description":"The former name of `noise`.","anyOf":[{"$ref":"#/$defs/operator_noise"},{"type":"null"}],"deprecated":true}
    add_noise: "The former name of `noise` with { relative: true }."
    gaussian_noise: "The former name of `noise`."
    "##);
    assert!(!operators_table(&Registry::linked()).contains("add_noise"));
    assert!(page(&Registry::linked(), "add_noise").expect("a page").starts_with("noise (erase)"));
}

#[test]
fn the_schema_describes_every_field() {
    let schema = pipeline_schema(&Registry::linked());
    let mut lines = Vec::new();
    for (place, pointer) in [("", ""), ("data", "/properties/data"), ("model", "/properties/model")] {
        let map = schema.pointer(pointer).expect("a schema");
        assert_eq!(map["additionalProperties"], json!(false), "{place}");
        for (name, field) in map["properties"].as_object().expect("fields") {
            let mut field = field.clone();
            for hidden in ["items", "properties"] {
                field.as_object_mut().expect("a schema").shift_remove(hidden);
            }
            lines.push(format!("{place}/{name} {field}"));
        }
    }
    assert_snapshot!(lines.join("\n"), @r#"
    /augraft {"type":"integer","format":"uint64","minimum":0,"description":"Version of the format.","const":1}
    /seed {"type":"integer","format":"uint64","minimum":0,"description":"Seed of every draw.","default":0,"maximum":9223372036854775807}
    /epoch {"type":"integer","format":"uint32","minimum":0,"description":"Epoch: draws and order differ from epoch to epoch.","default":0,"maximum":4294967295}
    /data {"type":"object","additionalProperties":false,"description":"Where images come from and how they are batched.","oneOf":[{"required":["folder"]},{"required":["flat"]},{"required":["shards"]}]}
    /objects {"type":"object","additionalProperties":false,"description":"What becomes of annotated objects that the steps cut or shrink."}
    /operators {"type":"array","description":"Headers of operators that are ONNX files, relative to the pipeline file.","default":[]}
    /steps {"type":"array","description":"Steps on the images, in order; each is a map from the name of an operator to its configuration."}
    /model {"type":"object","additionalProperties":false,"required":["file"],"description":"A model that runs on the images after the steps."}
    /experiment {"description":"What `augraft experiment` does with the model and measures."}
    /out {"type":"string","description":"Folder to write to, relative to the current folder; by default `out/` and the name of the file.","minLength":1}
    data/folder {"type":"string","description":"Folder with one sub-folder of images per class, relative to the pipeline file.","minLength":1}
    data/flat {"type":"string","description":"Folder of images without labels, relative to the pipeline file.","minLength":1}
    data/shards {"type":"string","description":"Tar files by a glob such as `train-*.tar`, relative to the pipeline file.","minLength":1}
    data/classes {"type":"string","description":"File with one class name per line, which fixes the number and order of classes.","minLength":1}
    data/batch {"type":"integer","format":"uint","minimum":1,"description":"Samples per batch.","default":64,"maximum":4294967295}
    data/shuffle {"type":"boolean","description":"Whether the order of the samples is a permutation keyed by seed and epoch.","default":false}
    data/drop_last {"type":"boolean","description":"Whether a last batch that is not full is left out.","default":false}
    data/limit {"type":"integer","format":"uint","minimum":1,"description":"Use only this many samples."}
    data/on_error {"oneOf":[{"type":"string","const":"fail","description":"Stop."},{"type":"string","const":"skip","description":"Leave it out of its batch and say so in the report."}],"description":"What to do with an image that cannot be read."}
    data/masks {"type":"object","additionalProperties":false,"required":["folder","classes"],"description":"Semantic masks beside the images."}
    data/annotations {"type":["string","object"],"additionalProperties":false,"description":"Objects in the images: a COCO file, or a map that names a file or a folder and its format.","minLength":1,"if":{"type":"object"},"then":{"oneOf":[{"required":["coco"]},{"required":["yolo"]},{"required":["voc"]}]}}
    model/file {"type":"string","description":"ONNX file, relative to the pipeline file.","minLength":1}
    model/engine {"oneOf":[{"type":"string","const":"tract","description":"Embedded, on the CPU."},{"type":"string","const":"onnxruntime","description":"ONNX Runtime, loaded when it is used."}],"description":"Who runs the model."}
    model/device {"type":"string","pattern":"^(cpu|cuda|cuda:[0-9]{1,4})$","examples":["cpu","cuda:0"],"description":"What it runs on: `cpu`, or `cuda:N` with onnxruntime."}
    model/layout {"oneOf":[{"type":"string","const":"nchw","description":"Samples, channels, rows, columns."},{"type":"string","const":"nhwc","description":"Samples, rows, columns, channels."}],"description":"Order of the axes of its images: `nchw` or `nhwc`; by default what the model shows."}
    model/inputs {"type":"object","additionalProperties":true,"description":"Values of its inputs beside the images: a number, or nested lists.","default":{}}
    model/output {"anyOf":[{"oneOf":[{"type":"string","const":"auto","description":"What the model shows: its last operator, else whether rows sum to 1."},{"type":"string","const":"logits","description":"Logits: their softmax is the probability of a class."},{"type":"string","const":"probabilities","description":"Probabilities, whose logarithm then stands in for logits."}],"description":"What the answer of a classifier is."},{"type":"object","additionalProperties":false,"properties":{"which":{"anyOf":[{"anyOf":[{"type":"integer","format":"uint","minimum":0,"description":"Its position, from 0."},{"type":"string","description":"Its name."}],"description":"An output of a model."},{"type":"null"}]},"gives":{"oneOf":[{"type":"string","const":"auto","description":"What the model shows: its last operator, else whether rows sum to 1."},{"type":"string","const":"logits","description":"Logits: their softmax is the probability of a class."},{"type":"string","const":"probabilities","description":"Probabilities, whose logarithm then stands in for logits."}],"description":"What the answer of a classifier is.","default":"auto"}}},{"anyOf":[{"type":"integer","format":"uint","minimum":0,"description":"Its position, from 0."},{"type":"string","description":"Its name."}],"description":"An output of a model."}],"description":"Which output is its answer, and what that is.","default":"auto"}
    model/sites {"type":"object","additionalProperties":{"type":"string"},"description":"Short names for tensors of the model.","default":{}}
    model/steps {"type":"array","description":"Steps at tensors of the model, in the order of the model; each also has `at`.","default":[]}
    "#);
    assert_eq!(schema, pipeline_schema(&Registry::linked()));
}

#[test]
fn operators_are_listed_and_have_pages() {
    let registry = Registry::linked();
    let table = operators_table(&registry);
    // A few lines with single spaces: a new operator must not change them.
    let shown = ["name", "cutmix", "dropblock", "fmix", "horizontal_flip", "one_of"].map(|name| {
        let line = table.lines().find(|line| line.starts_with(&format!("{name} "))).expect("a line");
        line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>().join(" | ")
    });
    assert_snapshot!(shown.join("\n"), @"
    name | kind | acts on | backends agree | exports | since | from | summary
    cutmix | mix | images, masks, objects, labels, feature maps | exact | yes | 0.1.0 | crate augraft-mix | Pastes a box of a partner image and mixes the labels by area.
    dropblock | erase | images, feature maps | within 1e-6 | yes | 0.1.0 | crate augraft-feature | Drops square blocks of a feature map and rescales what is kept.
    fmix | mix | images, masks, objects, labels, feature maps | native only | no | 0.1.0 | crate augraft-mix | Takes a random region of any outline from a partner image and mixes the labels by area.
    horizontal_flip | geometry | images, masks, objects, feature maps | exact | yes | 0.1.0 | crate augraft-geometry | Mirrors left and right.
    one_of | combinator | as its steps | as its steps | as its steps | 0.1.0 | crate augraft-pipeline | Lets one of its steps act.
    ");
    for entry in registry.iter() {
        assert!(table.contains(&format!("\n{} ", entry.name)), "{} is listed", entry.name);
    }
    let page = |name: &str| page(&registry, name).expect("an operator");
    assert_snapshot!(page("mixup"), @r#"
    mixup (mix)

    Blends each image with a partner image, and the labels alike.

    `lam ~ Beta(alpha, alpha)`; images and labels become `lam * own + (1 - lam) * partner`, in f32. Bytes are rounded to the nearest level, halves
    to even; better put it after `normalize`. Works on images and on feature maps (Manifold Mixup). Masks of class ids become shares of classes.

    `weigh` says whose weight the drawn number is: `partner` is that of kornia, and `larger` gives the sample itself the larger weight (composer).
    Pixels and labels follow it alike; in a chain of steps, labels are the shares of the visible pixels, whatever steps come before and after.

    `label: one_hot` and `complete` give labels that are not the blend: the labels that both samples had before are weighed by the rule, and for later
    steps the sample shows that label everywhere.

    Draws `apply`, `lam` (weight of the sample itself; 1 when not applied) and `partner`, the position in the batch.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, equation 1; Verma et al., "Manifold Mixup", ICML 2019.

    # Example
    ```yaml
    - mixup: { alpha: 0.2 }
    ```

    acts on         images, masks, objects, labels, feature maps
    backends agree  exact
    exports         yes
    since           0.1.0
    from            crate augraft-mix

    Parameters
      alpha     a number, 0.01 to 1000                                                                                                 default 1.0      Parameter of the Beta distribution of `lam`; 1 is uniform.
      lam_dist  `beta` or `uniform`, or a map of `fixed`                                                                               default beta     How `lam` is distributed.
      weigh     `own`, `partner` or `larger`                                                                                           default own      Whose weight the drawn number is.
      p         a number, 0 to 1                                                                                                       default 1.0      Probability of a batch (or, with other modes, of a sample or pair) to be mixed.
      p_scope   `batch` or `elem`, or empty                                                                                            default null     Who decides by `p`; by default as `mode` says.
      mode      `batch`, `pair`, `elem` or `half`                                                                                      default batch    Which samples share a draw.
      partner   `permute`, `derange`, `roll`, `flip` or `dataset`                                                                      default permute  Which sample each one is blended with.
      label     `area`, `one_hot`, `complete` or `visible_mask`                                                                        default area     What the label is; there is no `visible_mask` here.
      compat    `official`, `torchvision`, `timm-2020`, `timm-1.0.31`, `kornia-0.9`, `mmpretrain`, `openmixup`, `keras` or `composer`  no default       Options of another library; options that are given beside it win.

    Presets
      official     { partner: permute }
      torchvision  { partner: roll }
      timm-2020    { partner: flip }
      timm-1.0.31  { partner: flip }
      kornia-0.9   { mode: elem, lam_dist: uniform, weigh: partner }
      mmpretrain   { partner: permute }
      openmixup    { partner: permute }
      keras        { mode: elem, alpha: 0.2 }
      composer     { partner: permute, weigh: larger }
    "#);
    let cutout = page("cutout");
    assert!(cutout.contains("no default") && cutout.contains("\nPresets\n  official"), "{cutout}");
    assert_snapshot!(page("normalize"), @"
    normalize (color)

    Turns pixels into floats: `(pixel / 255 - mean) / std`, per channel.

    Bytes are computed as `pixel * scale + bias` in f32, with `scale = 1 / (255 * std)` and `bias = -mean / std` rounded once, which every runtime
    repeats bit for bit. Feature maps are taken as 0 to 1 already: `(value - mean) / std`. Images that are floats already are refused, and so are
    means and deviations above 2, which are those of pixels of 0 to 255.

    The statistics are a name (`imagenet`, `cifar10`, `cifar100`, `half`: mean and std 0.5, `unit`: mean 0 and std 1) or numbers.

    # Example
    ```yaml
    - normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
    ```

    acts on         images
    backends agree  exact
    exports         yes
    since           0.1.0
    from            crate augraft-color

    One of these; default imagenet
      `imagenet`, `cifar10`, `cifar100`, `half` or `unit`  Statistics by name.
      a map of `mean`, `std`  Statistics as numbers.
        mean  a list of numbers  required  Mean of each channel.
        std   a list of numbers  required  Standard deviation of each channel, above 0.
    ");
    assert_snapshot!(unknown_operator(&registry, "mixupp"), @"there is no operator `mixupp`; did you mean `mixup`?");
}

#[test]
fn an_operator_that_is_a_file_says_so() {
    let vignette = load_operator(&workspace().join("pipelines/operators/vignette.yaml")).expect("an operator");
    let listed = listing(&vignette);
    assert!(listed.origin.starts_with("file ") && listed.origin.ends_with("vignette.yaml"), "{}", listed.origin);
    assert_eq!([&listed.acts_on, &listed.parity], ["images, feature maps", "within 1e-6"]);
    assert_eq!(listed.exports, "yes");
}

#[test]
fn the_reference_has_what_the_pages_have() {
    let registry = Registry::linked();
    let reference = operators_reference(&registry, |name| format!("strips/{name}.png"));
    for entry in registry.iter() {
        let name = entry.name;
        for part in [format!("| [{name}](#{name}) |"), format!("\n## {name}\n\n![{name}](strips/{name}.png)\n")] {
            assert!(reference.contains(&part), "{part}");
        }
    }
    let (_, mixup) = reference.split_once("\n## mixup\n").expect("a section");
    let (mixup, _) = mixup.split_once("\n## ").expect("another section");
    assert_snapshot!(mixup.trim(), @r#"
    ![mixup](strips/mixup.png)

    Blends each image with a partner image, and the labels alike.

    `lam ~ Beta(alpha, alpha)`; images and labels become `lam * own + (1 - lam) * partner`, in f32. Bytes are rounded to the nearest level, halves
    to even; better put it after `normalize`. Works on images and on feature maps (Manifold Mixup). Masks of class ids become shares of classes.

    `weigh` says whose weight the drawn number is: `partner` is that of kornia, and `larger` gives the sample itself the larger weight (composer).
    Pixels and labels follow it alike; in a chain of steps, labels are the shares of the visible pixels, whatever steps come before and after.

    `label: one_hot` and `complete` give labels that are not the blend: the labels that both samples had before are weighed by the rule, and for later
    steps the sample shows that label everywhere.

    Draws `apply`, `lam` (weight of the sample itself; 1 when not applied) and `partner`, the position in the batch.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, equation 1; Verma et al., "Manifold Mixup", ICML 2019.

    **Example**

    ```yaml
    - mixup: { alpha: 0.2 }
    ```

    | parameter | accepts | default | meaning |
    |---|---|---|---|
    | `alpha` | a number, 0.01 to 1000 | `1.0` | Parameter of the Beta distribution of `lam`; 1 is uniform. |
    | `lam_dist` | `beta` or `uniform`, or a map of `fixed` | `beta` | How `lam` is distributed. |
    | `weigh` | `own`, `partner` or `larger` | `own` | Whose weight the drawn number is. |
    | `p` | a number, 0 to 1 | `1.0` | Probability of a batch (or, with other modes, of a sample or pair) to be mixed. |
    | `p_scope` | `batch` or `elem`, or empty | `null` | Who decides by `p`; by default as `mode` says. |
    | `mode` | `batch`, `pair`, `elem` or `half` | `batch` | Which samples share a draw. |
    | `partner` | `permute`, `derange`, `roll`, `flip` or `dataset` | `permute` | Which sample each one is blended with. |
    | `label` | `area`, `one_hot`, `complete` or `visible_mask` | `area` | What the label is; there is no `visible_mask` here. |
    | `compat` | `official`, `torchvision`, `timm-2020`, `timm-1.0.31`, `kornia-0.9`, `mmpretrain`, `openmixup`, `keras` or `composer` | no default | Options of another library; options that are given beside it win. |

    | `compat` | stands for |
    |---|---|
    | `official` | `{ partner: permute }` |
    | `torchvision` | `{ partner: roll }` |
    | `timm-2020` | `{ partner: flip }` |
    | `timm-1.0.31` | `{ partner: flip }` |
    | `kornia-0.9` | `{ mode: elem, lam_dist: uniform, weigh: partner }` |
    | `mmpretrain` | `{ partner: permute }` |
    | `openmixup` | `{ partner: permute }` |
    | `keras` | `{ mode: elem, alpha: 0.2 }` |
    | `composer` | `{ partner: permute, weigh: larger }` |

    - acts on: images, masks, objects, labels, feature maps
    - backends agree: exact
    - exports: yes
    - since: 0.1.0
    - from: crate augraft-mix
    "#);
    let (_, normalize) = reference.split_once("\n## normalize\n").expect("a section");
    let (_, forms) = normalize.split_once("\nOne of these;").expect("its forms");
    assert_snapshot!(forms.split_once("\n## ").expect("another section").0.trim(), @"
    `imagenet` without it:

    - `imagenet`, `cifar10`, `cifar100`, `half` or `unit`: Statistics by name.

    - a map of `mean`, `std`: Statistics as numbers.

    | parameter | accepts | default | meaning |
    |---|---|---|---|
    | `mean` | a list of numbers | required | Mean of each channel. |
    | `std` | a list of numbers | required | Standard deviation of each channel, above 0. |

    - acts on: images
    - backends agree: exact
    - exports: yes
    - since: 0.1.0
    - from: crate augraft-color
    ");
}
