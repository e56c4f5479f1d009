//! Annotated objects: where they are written, and when one is lost.

use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::json;

use crate::problems::Problems;

/// The objects in the images of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationSpec {
    /// The files.
    pub source: AnnotationFormat,
    /// File with one class name per line, which fixes the number and order of the objects' classes.
    pub classes: Option<PathBuf>,
    /// Keypoints, counted from 0, that change places in a mirror image; each is in at most one pair.
    pub flip_pairs: Vec<[usize; 2]>,
}

/// The files that objects are written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnnotationFormat {
    /// One JSON file as of COCO.
    Coco(PathBuf),
    /// Text files as of YOLO, one per image.
    Yolo {
        /// Folder of the files.
        folder: PathBuf,
        /// Number of keypoints of each object.
        keypoints: usize,
    },
    /// Folder of XML files as of Pascal VOC, one per image.
    Voc(PathBuf),
}

/// `data.annotations` as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum AnnotationFields {
    /// A COCO file.
    File(String),
    /// Everything.
    Map(AnnotationMap),
}

/// Objects in the images: one of `coco`, `yolo` and `voc`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnnotationMap {
    /// COCO file, relative to the pipeline file.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1))]
    coco: Option<String>,
    /// Folder of YOLO text files, relative to the pipeline file; that of the image `a/b.jpg` is `a/b.txt` below it, or `b.txt`.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1))]
    yolo: Option<String>,
    /// Folder of Pascal VOC XML files, relative to the pipeline file, at paths like those of YOLO.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1))]
    voc: Option<String>,
    /// File with one class name per line, which fixes the number and order of the objects' classes.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1))]
    classes: Option<String>,
    /// Number of keypoints of each object of `yolo`.
    #[serde(default)]
    #[schemars(with = "usize", extend("minimum" = 1, "maximum" = 1000))]
    keypoints: Option<usize>,
    /// Pairs of keypoints, counted from 0, that change places in a mirror image, such as left and right eye.
    #[serde(default)]
    flip_pairs: Vec<[usize; 2]>,
}

impl JsonSchema for AnnotationFields {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AnnotationFields".into()
    }

    fn inline_schema() -> bool {
        true
    }

    /// The schema of the map, which also lets text pass: with alternatives for the two, a message could not tell which field is wrong.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = AnnotationMap::json_schema(generator);
        schema.insert("type".to_owned(), json!(["string", "object"]));
        schema.insert("minLength".to_owned(), json!(1));
        schema.insert("if".to_owned(), json!({ "type": "object" }));
        let formats = json!([{ "required": ["coco"] }, { "required": ["yolo"] }, { "required": ["voc"] }]);
        schema.insert("then".to_owned(), json!({ "oneOf": formats }));
        schema
    }
}

impl AnnotationFields {
    /// What the fields at `pointer` mean, with paths from `folder`; none when they have a problem that no schema knows.
    pub(crate) fn spec(self, folder: &Path, pointer: &str, problems: &mut Problems<'_>) -> Option<AnnotationSpec> {
        let map = match self {
            AnnotationFields::File(file) => return coco_file(&file, folder, pointer, problems),
            AnnotationFields::Map(map) => map,
        };
        let known = map.yolo.as_ref().map(|_| map.keypoints.unwrap_or(0)).or(map.voc.as_ref().map(|_| 0));
        let mut sound = check_pairs(&map.flip_pairs, known, &format!("{pointer}/flip_pairs"), problems);
        if map.keypoints.is_some() && map.yolo.is_none() {
            let (format, help) = match map.coco {
                Some(_) => ("coco", "leave it out; a COCO file names its keypoints"),
                None => ("voc", "leave it out; files of Pascal VOC have no keypoints"),
            };
            let message = format!("`annotations.keypoints` is for `yolo`, but the format is `{format}`");
            problems.key_error(&format!("{pointer}/keypoints"), "wrong-value", message, Some(help.to_owned()));
            sound = false;
        }
        let source = match (map.coco, map.yolo, map.voc) {
            (Some(file), ..) => AnnotationFormat::Coco(folder.join(file)),
            (_, Some(path), _) => {
                AnnotationFormat::Yolo { folder: folder.join(path), keypoints: map.keypoints.unwrap_or(0) }
            }
            (.., path) => AnnotationFormat::Voc(folder.join(path?)),
        };
        let classes = map.classes.map(|path| folder.join(path));
        sound.then_some(AnnotationSpec { source, classes, flip_pairs: map.flip_pairs })
    }
}

fn coco_file(file: &str, folder: &Path, pointer: &str, problems: &mut Problems<'_>) -> Option<AnnotationSpec> {
    let is_json = Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if !is_json {
        let message = format!(
            "`annotations` must be a COCO file that ends in .json or a map that names the format, but is `{file}`"
        );
        let help = format!("name the format: `{{ yolo: {file} }}`, `{{ voc: {file} }}` or `{{ coco: {file} }}`");
        problems.error(pointer, "wrong-value", message, Some(help));
        return None;
    }
    let source = AnnotationFormat::Coco(folder.join(file));
    Some(AnnotationSpec { source, classes: None, flip_pairs: Vec::new() })
}

/// Reports pairs that are not two different keypoints each, or share one; `known` is the number of keypoints where it is known.
fn check_pairs(pairs: &[[usize; 2]], known: Option<usize>, pointer: &str, problems: &mut Problems<'_>) -> bool {
    let mut sound = true;
    let mut error = |at: usize, message: String, help: &str| {
        problems.error(&format!("{pointer}/{at}"), "wrong-value", message, Some(help.to_owned()));
        sound = false;
    };
    for (at, pair) in pairs.iter().enumerate() {
        let [one, other] = *pair;
        if one == other {
            let help = "name two keypoints; one that is in no pair keeps its place";
            error(at, format!("`flip_pairs[{at}]` pairs keypoint {one} with itself"), help);
            continue;
        }
        let number = one.max(other);
        if let Some(count) = known.filter(|count| number >= *count) {
            let help = "keypoints count from 0; their number is `keypoints` with `yolo`, and 0 with `voc`";
            error(at, format!("`flip_pairs[{at}]` has keypoint {number}, but there are {count} keypoints"), help);
            continue;
        }
        let shared = |before: &[usize; 2]| pair.iter().copied().find(|keypoint| before.contains(keypoint));
        let earlier = pairs[..at].iter().enumerate().find_map(|(position, before)| Some((position, shared(before)?)));
        if let Some((position, keypoint)) = earlier {
            let message = format!("`flip_pairs[{at}]` has keypoint {keypoint}, as `flip_pairs[{position}]` has");
            error(at, message, "a keypoint changes places with one other; keep one of the pairs");
        }
    }
    sound
}

#[cfg(test)]
mod tests {
    use augraft_operator::Registry;

    use augraft_operator::{ObjectRules, OnDrop};

    use super::*;
    use crate::{PipelineSpec, inlined_schema};

    /// The pipeline, or each problem as its code, message and help, sorted.
    fn read(rest: &str) -> Result<PipelineSpec, Vec<String>> {
        let text = format!("augraft: 1\nsteps: []\n{rest}\n");
        let spec = PipelineSpec::parse(&text, Path::new("at/p.yaml"), &Registry::linked());
        spec.map_err(|report| {
            let lines = report
                .diagnostics
                .iter()
                .map(|found| format!("{} | {} | {}", found.code, found.message, found.help.as_deref().unwrap_or("-")));
            let mut lines: Vec<String> = lines.collect();
            lines.sort();
            lines
        })
    }

    fn annotations(written: &str) -> Result<AnnotationSpec, Vec<String>> {
        let spec = read(&format!("data: {{ flat: images, annotations: {written} }}"))?;
        Ok(spec.data.and_then(|data| data.annotations).expect("annotations"))
    }

    #[test]
    fn a_file_is_coco_and_a_map_names_its_format() {
        let spec = |source, classes: Option<&str>, flip_pairs: &[[usize; 2]]| AnnotationSpec {
            source,
            classes: classes.map(PathBuf::from),
            flip_pairs: flip_pairs.to_vec(),
        };
        let coco = || AnnotationFormat::Coco("at/a.json".into());
        assert_eq!(annotations("a.json"), Ok(spec(coco(), None, &[])));
        let pairs = "flip_pairs: [[1, 2], [3, 4]]";
        assert_eq!(annotations(&format!("{{ coco: a.json, {pairs} }}")), Ok(spec(coco(), None, &[[1, 2], [3, 4]])));
        let yolo = |keypoints| AnnotationFormat::Yolo { folder: "at/y".into(), keypoints };
        assert_eq!(annotations("{ yolo: y }"), Ok(spec(yolo(0), None, &[])));
        let full = annotations(&format!("{{ yolo: y, classes: c.txt, keypoints: 5, {pairs} }}"));
        assert_eq!(full, Ok(spec(yolo(5), Some("at/c.txt"), &[[1, 2], [3, 4]])));
        let voc = annotations("{ voc: v, classes: c.txt }");
        assert_eq!(voc, Ok(spec(AnnotationFormat::Voc("at/v".into()), Some("at/c.txt"), &[])));
        assert!(read("").expect("a pipeline").data.is_none());
    }

    #[track_caller]
    fn refuses(written: &str, expected: &[&str]) {
        assert_eq!(annotations(written).expect_err("a problem"), expected, "{written}");
    }

    #[test]
    fn what_the_schema_refuses_is_said() {
        refuses("''", &["wrong-type | `data.annotations` must not be empty | -"]);
        let fields = "`coco`, `yolo`, `voc`, `classes`, `keypoints`, `flip_pairs`";
        let text_or_map = format!("wrong-type | `data.annotations` must be text or a map of {fields}, but is 3 | -");
        refuses("3", &[&text_or_map]);
        let missing = "missing-field | `data.annotations` needs one of the fields `coco`, `yolo` or `voc` | -";
        refuses("{ classes: c.txt }", &[missing]);
        refuses(
            "{ coco: a.json, voc: v }",
            &["too-many-fields | `data.annotations` has more than one of `coco`, `yolo`, `voc`; keep one | -"],
        );
        let unknown = "unknown-field | unknown field `yollo` in `data.annotations` | did you mean `yolo`? fields:";
        refuses("{ yollo: y }", &[missing, &format!("{unknown} {fields}")]);
        refuses(
            "{ yolo: y, keypoints: 0 }",
            &["out-of-range | `data.annotations.keypoints` must be at least 1, but is 0 | -"],
        );
        let pair = "`data.annotations.flip_pairs[0]` must be a list of 2 whole numbers";
        refuses("{ coco: a.json, flip_pairs: [1] }", &[&format!("wrong-type | {pair}, but is 1 | -")]);
        refuses(
            "{ coco: a.json, flip_pairs: [[1, 2, 3]] }",
            &[&format!("wrong-length | {pair}, but is a list of 3 | -")],
        );
        refuses(
            "{ coco: a.json, flip_pairs: [[1, -2]] }",
            &["out-of-range | `data.annotations.flip_pairs[0][1]` must be at least 0, but is -2 | -"],
        );
    }

    #[test]
    fn what_no_schema_knows_is_said_too() {
        refuses(
            "labels",
            &[
                "wrong-value | `annotations` must be a COCO file that ends in .json or a map that names the format, but is `labels` | \
               name the format: `{ yolo: labels }`, `{ voc: labels }` or `{ coco: labels }`",
            ],
        );
        refuses(
            "{ coco: a.json, keypoints: 2 }",
            &["wrong-value | `annotations.keypoints` is for `yolo`, but the format is `coco` | \
               leave it out; a COCO file names its keypoints"],
        );
        refuses(
            "{ voc: v, keypoints: 2 }",
            &["wrong-value | `annotations.keypoints` is for `yolo`, but the format is `voc` | \
               leave it out; files of Pascal VOC have no keypoints"],
        );
        refuses(
            "{ coco: a.json, flip_pairs: [[1, 1]] }",
            &["wrong-value | `flip_pairs[0]` pairs keypoint 1 with itself | \
               name two keypoints; one that is in no pair keeps its place"],
        );
        let shared = "a keypoint changes places with one other; keep one of the pairs";
        refuses(
            "{ coco: a.json, flip_pairs: [[1, 2], [2, 1], [4, 2]] }",
            &[
                &format!("wrong-value | `flip_pairs[1]` has keypoint 2, as `flip_pairs[0]` has | {shared}"),
                &format!("wrong-value | `flip_pairs[2]` has keypoint 2, as `flip_pairs[0]` has | {shared}"),
            ],
        );
        let count = "keypoints count from 0; their number is `keypoints` with `yolo`, and 0 with `voc`";
        refuses(
            "{ yolo: y, keypoints: 3, flip_pairs: [[1, 3]] }",
            &[&format!("wrong-value | `flip_pairs[0]` has keypoint 3, but there are 3 keypoints | {count}")],
        );
        refuses(
            "{ voc: v, flip_pairs: [[0, 1]] }",
            &[&format!("wrong-value | `flip_pairs[0]` has keypoint 1, but there are 0 keypoints | {count}")],
        );
    }

    #[test]
    fn rules_have_defaults_and_bounds() {
        let rules = |written: &str| read(written).map(|spec| spec.objects);
        assert_eq!(rules(""), Ok(ObjectRules::default()));
        assert_eq!(rules("objects: {}"), Ok(ObjectRules::default()));
        let full = "objects: { min_area: 16, min_side: 2.5, min_visibility: 0.25, on_drop: ignore }";
        let expected = ObjectRules { min_area: 16.0, min_side: 2.5, min_visibility: 0.25, on_drop: OnDrop::Ignore };
        assert_eq!(rules(full), Ok(expected));
        assert_eq!(
            rules("objects: { min_area: -1, min_visibility: 1.5, on_drop: keep, area: 1 }").expect_err("problems"),
            [
                "out-of-range | `objects.min_area` must be at least 0, but is -1 | -",
                "out-of-range | `objects.min_visibility` must be at most 1, but is 1.5 | -",
                "unknown-choice | `objects.on_drop` must be `remove` or `ignore`, but is `keep` | -",
                "unknown-field | unknown field `area` in `objects` | fields: `min_area`, `min_side`, `min_visibility`, `on_drop`",
            ]
        );
    }

    #[test]
    fn the_schema_knows_both_forms() {
        let schema = inlined_schema::<AnnotationFields>();
        assert_eq!(schema["type"], json!(["string", "object"]));
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["properties"]["flip_pairs"]["items"]["minItems"], json!(2));
        assert_eq!(schema["then"]["oneOf"][1], json!({ "required": ["yolo"] }));
    }
}
