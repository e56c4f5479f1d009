//! The files that a run leaves.

use std::path::{Path, PathBuf};

use augraft_data::{Dataset, JsonLines, NpzArray, OutputFolder, write_gray, write_npz, write_png};
use augraft_engine::{Outcome, StepDraws};
use augraft_onnx::Tensor;
use augraft_operator::{Batch, Images, Labels, Masks, sample_of, view_of};
use augraft_pipeline::Plan;
use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use rayon::prelude::*;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::objects::ObjectFiles;
use crate::sample::{addressed, file_name};

/// Classes listed per prediction.
const TOP: usize = 5;

/// The folder of a run while it is written.
pub(crate) struct Output {
    folder: OutputFolder,
    labels: JsonLines,
    draws: JsonLines,
    predictions: Option<JsonLines>,
    objects: Option<ObjectFiles>,
    classes: Vec<String>,
    batches: usize,
}

impl Output {
    /// Opens the folder that becomes `path` when the run is complete.
    pub(crate) fn create(path: &Path, dataset: &Dataset, plan: &Plan) -> Result<Self, Failure> {
        let folder = OutputFolder::create(path)?;
        let lines = |name: &str| JsonLines::create(folder.path().join(name));
        for name in ["images", "batches"] {
            std::fs::create_dir(folder.path().join(name)).map_err(Failure::user)?;
        }
        let (labels, draws) = (lines("labels.jsonl")?, lines("draws.jsonl")?);
        let predictions = if plan.model.is_some() { Some(lines("predictions.jsonl")?) } else { None };
        let objects = match &plan.objects {
            Some(planned) => Some(ObjectFiles::new(lines("objects.jsonl")?, planned.clone(), dataset)),
            None => None,
        };
        Ok(Self { folder, labels, draws, predictions, objects, classes: dataset.classes().to_vec(), batches: 0 })
    }

    /// The folder while it is written.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes everything that one batch gives.
    pub(crate) fn write(&mut self, outcome: &Outcome) -> Result<(), Failure> {
        let batch = &outcome.batch;
        self.write_images(batch)?;
        let index = Array1::from_iter(batch.index.iter().map(|index| sample_of(*index) as i64)).into_dyn();
        let view = Array1::from_iter(batch.index.iter().map(|index| view_of(*index) as i64)).into_dyn();
        let images = match &batch.images {
            Images::U8(images) => NpzArray::U8(images.view().into_dyn()),
            Images::F32(images) => NpzArray::F32(images.view().into_dyn()),
            Images::Ragged(_) => return Err(ragged()),
        };
        let soft = batch.labels.soft();
        let labels = NpzArray::F32(soft.view().into_dyn());
        let file = self.folder.path().join("batches").join(format!("{:06}.npz", self.batches));
        let mut arrays = vec![("images", images), ("labels", labels), ("index", NpzArray::I64(index.view()))];
        if view.iter().any(|view| *view > 0) {
            arrays.push(("view", NpzArray::I64(view.view())));
        }
        match batch.masks.as_ref().map(|masks| &masks.images) {
            Some(Images::U8(ids)) => {
                arrays.push(("masks", NpzArray::U8(ids.index_axis(Axis(1), 0).into_dyn())));
            }
            Some(Images::F32(shares)) => arrays.push(("masks", NpzArray::F32(shares.view().into_dyn()))),
            Some(Images::Ragged(_)) | None => {}
        }
        let objects = self.objects.as_mut().map(|files| files.write(batch)).transpose()?;
        let flags = |values: &ndarray::ArrayD<bool>| values.mapv(u8::from);
        let kept = objects.map(|known| {
            let valid = [
                flags(&known.valid.into_dyn()),
                flags(&known.ignore.into_dyn()),
                flags(&known.keypoint_visible.into_dyn()),
            ];
            (known.boxes, known.classes, known.weights, known.keypoints, valid)
        });
        if let Some((boxes, classes, weights, keypoints, [valid, ignore, visible])) = &kept {
            arrays.push(("boxes", NpzArray::F32(boxes.view().into_dyn())));
            arrays.push(("box_classes", NpzArray::I64(classes.view().into_dyn())));
            arrays.push(("box_weights", NpzArray::F32(weights.view().into_dyn())));
            arrays.push(("box_valid", NpzArray::U8(valid.view())));
            arrays.push(("box_ignore", NpzArray::U8(ignore.view())));
            if keypoints.dim().2 > 0 {
                arrays.push(("keypoints", NpzArray::F32(keypoints.view().into_dyn())));
                arrays.push(("keypoint_visible", NpzArray::U8(visible.view())));
            }
        }
        write_npz(&file, &arrays)?;
        self.batches += 1;
        let records = label_records(&batch.labels);
        for (row, record) in records.iter().enumerate() {
            let mut record = record.clone();
            record.extend(addressed(batch.index[row]));
            record.sort_keys();
            self.labels.write(&record)?;
            self.draws.write(&draw_record(&outcome.draws, batch.index[row], row))?;
        }
        self.write_predictions(outcome, records)
    }

    /// Writes out what is buffered, so that the files can be read.
    pub(crate) fn flush(self) -> Result<Written, Failure> {
        self.labels.finish()?;
        self.draws.finish()?;
        self.predictions.map_or(Ok(()), JsonLines::finish)?;
        if let Some(objects) = self.objects {
            objects.finish(self.folder.path())?;
        }
        Ok(Written { folder: self.folder })
    }

    fn write_images(&self, batch: &Batch) -> Result<(), Failure> {
        let folder = self.folder.path().join("images");
        let write = |row: usize| {
            let pixels = batch.pixels(row);
            write_png(&folder.join(file_name(batch.index[row])), &pixels.view())
        };
        (0..batch.len()).into_par_iter().map(write).collect::<Result<(), _>>()?;
        self.write_masks(batch)
    }

    /// Writes the class ids of every mask; of a blend, those of the largest share.
    fn write_masks(&self, batch: &Batch) -> Result<(), Failure> {
        let Some(masks) = &batch.masks else { return Ok(()) };
        let folder = self.folder.path().join("masks");
        std::fs::create_dir_all(&folder).map_err(Failure::user)?;
        let write = |row: usize| write_gray(&folder.join(file_name(batch.index[row])), &mask_ids(masks, row).view());
        Ok((0..batch.len()).into_par_iter().map(write).collect::<Result<(), _>>()?)
    }

    /// Writes what the model says of each sample; `inputs` are the records of the labels before it.
    fn write_predictions(&mut self, outcome: &Outcome, inputs: Vec<Map<String, Value>>) -> Result<(), Failure> {
        let (Some(file), Some(predictions)) = (&mut self.predictions, &outcome.predictions) else {
            return Ok(());
        };
        let mut features = predictions.feature.as_ref().map(|(logits, labels)| (logits, label_records(labels)));
        for (row, (index, mut input)) in outcome.batch.index.iter().zip(inputs).enumerate() {
            let top = |logits: ArrayView1<'_, f32>| top5(logits, &self.classes);
            input.insert("top5".to_owned(), top(predictions.input.row(row)));
            let mut record = addressed(*index);
            record.insert("clean".to_owned(), json!({ "top5": top(predictions.clean.row(row)) }));
            record.insert("input".to_owned(), Value::Object(input));
            if let Some((logits, records)) = &mut features {
                let mut feature = std::mem::take(&mut records[row]);
                feature.insert("top5".to_owned(), top(logits.row(row)));
                record.insert("feature".to_owned(), Value::Object(feature));
            }
            file.write(&record)?;
        }
        Ok(())
    }
}

/// A run whose files are complete but for `run.json`.
pub(crate) struct Written {
    folder: OutputFolder,
}

impl Written {
    /// The folder while it is written.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the folder its name and returns it.
    pub(crate) fn commit(self) -> Result<PathBuf, Failure> {
        Ok(self.folder.commit()?)
    }
}

/// The class ids of a mask, rows by columns; 255 where no class has a share.
pub(crate) fn mask_ids(masks: &Masks, row: usize) -> Array2<u8> {
    match &masks.images {
        Images::Ragged(images) => images[row].index_axis(Axis(2), 0).to_owned(),
        Images::U8(ids) => ids.slice(s![row, 0, .., ..]).to_owned(),
        Images::F32(shares) => shares.index_axis(Axis(0), row).map_axis(Axis(0), |shares| {
            let best = (0..shares.len()).max_by(|a, b| shares[*a].total_cmp(&shares[*b]).then(b.cmp(a)));
            best.filter(|best| shares[*best] > 0.0).map_or(255, |best| best as u8)
        }),
    }
}

fn ragged() -> Failure {
    Failure::user(
        "the images of a batch still have different sizes; add `resized_crop`, `resize` or a crop to the steps",
    )
}

/// For each sample the weight of the sample itself, its sources, and its classes with their weights.
pub(crate) fn label_records(labels: &Labels) -> Vec<Map<String, Value>> {
    let soft = labels.soft();
    let record = |(sources, classes): (Vec<(u64, f32)>, ndarray::ArrayView1<'_, f32>)| {
        let lam = sources.first().map_or(1.0, |(_, weight)| *weight);
        let classes = classes.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
        let classes: Vec<Value> = classes.map(|(class, weight)| json!([class, weight])).collect();
        let record = json!({ "lam": lam, "sources": sources, "label": classes });
        if let Value::Object(record) = record { record } else { Map::new() }
    };
    labels.sources().into_iter().zip(soft.outer_iter()).map(record).collect()
}

/// What every step decided for one sample.
fn draw_record(draws: &[StepDraws], index: u64, row: usize) -> Value {
    let mut record = addressed(index);
    for step in draws {
        for (field, column) in &step.draws.columns {
            record.insert(format!("{}/{field}", step.step), cell(column, row));
        }
    }
    Value::Object(record)
}

/// One row of a column; of a grid, the places `[channel, row, column]` that are set.
pub(crate) fn cell(column: &Tensor, row: usize) -> Value {
    match column {
        Tensor::Bool(grid) if grid.ndim() > 1 => {
            let grid = grid.index_axis(Axis(0), row);
            grid.indexed_iter()
                .filter(|(_, set)| **set)
                .map(|(place, _)| json!(ndarray::Dimension::slice(&place)))
                .collect()
        }
        Tensor::Bool(values) => values.iter().nth(row).map_or(Value::Null, |value| json!(value)),
        Tensor::I64(values) if values.ndim() > 1 => json!(values.index_axis(Axis(0), row).iter().collect::<Vec<_>>()),
        Tensor::I64(values) => values.iter().nth(row).map_or(Value::Null, |value| json!(value)),
        Tensor::F32(values) => values.iter().nth(row).map_or(Value::Null, |value| json!(value)),
        _ => Value::Null,
    }
}

/// The five likeliest classes with their softmax, most likely first.
pub(crate) fn top5(logits: ArrayView1<'_, f32>, names: &[String]) -> Value {
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| libm::exp(f64::from(logit - peak))).sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
    let entry = |class: &usize| {
        let probability = libm::exp(f64::from(logits[*class] - peak)) / sum;
        json!({ "class": class, "name": names.get(*class), "p": (probability * 1e6).round() / 1e6 })
    };
    order.iter().take(TOP).map(entry).collect()
}
