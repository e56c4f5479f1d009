//! The objects of a run: a line for each sample, and all of them as COCO.

use std::path::Path;

use augraft_data::{Dataset, JsonLines, write_json};
use augraft_engine::ObjectArrays;
use augraft_operator::{Batch, Seen, sample_of, view_of};
use augraft_pipeline::ObjectPlan;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::sample::file_name;

/// What is written of objects while a run goes on.
pub(crate) struct ObjectFiles {
    lines: JsonLines,
    plan: ObjectPlan,
    classes: Vec<String>,
    keypoints: Vec<String>,
    images: Vec<Value>,
    annotations: Vec<Value>,
}

impl ObjectFiles {
    pub(crate) fn new(lines: JsonLines, plan: ObjectPlan, dataset: &Dataset) -> Self {
        let (classes, keypoints) = (dataset.object_classes().to_vec(), dataset.keypoint_names().to_vec());
        Self { lines, plan, classes, keypoints, images: Vec::new(), annotations: Vec::new() }
    }

    /// Adds the objects of a batch, and returns them as arrays.
    pub(crate) fn write(&mut self, batch: &Batch) -> Result<ObjectArrays, Failure> {
        let seen = batch.objects.as_ref().map(|objects| objects.seen(&self.plan.rules)).unwrap_or_default();
        for (row, objects) in seen.iter().enumerate() {
            let index = batch.index[row];
            let mut record = json!({ "index": sample_of(index), "objects": objects.iter().map(|object| self.record(object)).collect::<Vec<_>>() });
            if view_of(index) > 0 {
                record["view"] = json!(view_of(index));
            }
            self.lines.write(&record)?;
            let [_, height, width] = batch.extent(row);
            let image = self.images.len();
            let file = format!("images/{}", file_name(index));
            self.images.push(json!({ "id": image, "file_name": file, "width": width, "height": height }));
            for object in objects {
                let annotation = self.annotation(object, image);
                self.annotations.push(annotation);
            }
        }
        Ok(ObjectArrays::of(&seen, self.plan.keypoints))
    }

    /// Writes `objects.json`, in the format of COCO.
    pub(crate) fn finish(self, folder: &Path) -> Result<(), Failure> {
        self.lines.finish()?;
        let category = |(id, name): (usize, &String)| {
            let mut category = json!({ "id": id, "name": name });
            if !self.keypoints.is_empty() {
                category["keypoints"] = json!(self.keypoints);
            }
            category
        };
        let categories: Vec<Value> = self.classes.iter().enumerate().map(category).collect();
        let coco = json!({ "images": self.images, "annotations": self.annotations, "categories": categories });
        Ok(write_json(&folder.join("objects.json"), &coco)?)
    }

    fn record(&self, object: &Seen) -> Value {
        let mut record = json!({
            "class": object.class,
            "name": self.classes.get(object.class),
            "box": object.bounds,
            "weight": object.weight,
            "visibility": object.visibility,
            "origin": [sample_of(object.origin.0), object.origin.1],
        });
        let flags = [("crowd", object.crowd), ("difficult", object.difficult), ("ignore", object.ignore)];
        for (name, _) in flags.into_iter().filter(|(_, is)| *is) {
            record[name] = json!(true);
        }
        if !object.keypoints.is_empty() {
            let points = object.keypoints.iter().map(|([x, y], visibility)| json!([x, y, *visibility > 0]));
            record["keypoints"] = points.collect();
        }
        record
    }

    fn annotation(&self, object: &Seen, image: usize) -> Value {
        // In f64 the difference of two f32 is exact, so that the far edges come back as they were.
        let [left, top, right, bottom] = object.bounds.map(f64::from);
        let mut annotation = json!({
            "id": self.annotations.len() + 1,
            "image_id": image,
            "category_id": object.class,
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "iscrowd": u8::from(object.crowd),
            "ignore": u8::from(object.ignore),
            "weight": object.weight,
        });
        if !object.keypoints.is_empty() {
            // COCO counts the middles of pixels from 0, and places what is not there at 0.
            let points = object.keypoints.iter().flat_map(|(at, visibility)| match visibility {
                0 => [json!(0), json!(0), json!(0)],
                _ => [json!(f64::from(at[0]) - 0.5), json!(f64::from(at[1]) - 0.5), json!(visibility)],
            });
            annotation["keypoints"] = points.collect();
            annotation["num_keypoints"] =
                json!(object.keypoints.iter().filter(|(_, visibility)| *visibility > 0).count());
        }
        annotation
    }
}
