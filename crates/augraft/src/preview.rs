//! The contact sheet of a run: before, after with the box outlined, partner, labels and predictions; objects where there are any.

use std::path::Path;

use augraft_data::{Dataset, write_png};
use augraft_engine::{Outcome, StepDraws};
use augraft_onnx::Tensor;
use augraft_operator::{Batch, Images, Labels, Masks, Meaning, ObjectRules, Rows, sample_of, view_of};
use augraft_pipeline::{Plan, Step};
use ndarray::Array3;

use crate::failure::Failure;
use crate::marks::{mark_objects, objects_line};
use crate::output::top5;
use crate::sheet::{Color, Sheet};
use crate::tile::fitted;

/// Samples on a sheet.
const ROWS: usize = 8;
/// Side of a picture in pixels.
const TILE: usize = 192;
const GAP: usize = 12;
const HEADER: usize = 76;
const TEXT_WIDTH: usize = 400;

const PAPER: Color = [250, 250, 248];
const INK: Color = [33, 37, 41];
const FAINT: Color = [134, 142, 150];
const ACCENT: Color = [224, 49, 49];
/// Colors of the classes of masks, from class 1 on, and how much of the pixels they cover.
const MASK_COLORS: [Color; 6] =
    [[0, 158, 115], [0, 114, 178], [230, 159, 0], [204, 121, 167], [86, 180, 233], [213, 94, 0]];
const COVER: f32 = 0.55;

/// Draws the first samples of a batch that `plan` made.
pub(crate) fn write_preview(path: &Path, plan: &Plan, outcome: &Outcome, dataset: &Dataset) -> Result<(), Failure> {
    let title = format!("{}   seed {}   epoch {}", plan.file.display(), plan.seed, plan.epoch);
    let rules = plan.objects.as_ref().map(|objects| objects.rules).unwrap_or_default();
    // What was drawn before pixels moved lies elsewhere now, and before samples were doubled or left out, at another row.
    let changes_places = |step: &Step| step.effects.moves || step.operator.rows() != Rows::Same;
    let behind = plan.steps.iter().rposition(changes_places).map_or(0, |at| at + 1);
    let is_placed = |draws: &&StepDraws| plan.steps[behind..].iter().any(|step| step.id == draws.step);
    let placed: Vec<&StepDraws> = outcome.draws.iter().filter(is_placed).collect();
    let rows = outcome.batch.len().min(ROWS);
    let width = 4 * GAP + 3 * TILE + TEXT_WIDTH + GAP;
    let mut sheet = Sheet::new(HEADER + rows * (TILE + GAP) + GAP, width, PAPER)?;
    sheet.text(&title, 14, GAP, 24.0, INK, width - 2 * GAP);
    for (column, name) in ["before", "after", "partner", "labels and predictions"].into_iter().enumerate() {
        sheet.text(name, 48, GAP + column * (TILE + GAP), 16.0, FAINT, TEXT_WIDTH);
    }
    for row in 0..rows {
        draw_row(&mut sheet, row, outcome, &placed, dataset, &rules);
    }
    Ok(write_png(path, &sheet.pixels())?)
}

fn draw_row(
    sheet: &mut Sheet,
    row: usize,
    outcome: &Outcome,
    placed: &[&StepDraws],
    dataset: &Dataset,
    rules: &ObjectRules,
) {
    let (batch, classes) = (&outcome.batch, dataset.classes());
    let y = HEADER + row * (TILE + GAP);
    let x = |column: usize| GAP + column * (TILE + GAP);
    // What a rule removes is still there before.
    let clean = outcome.clean.as_ref().unwrap_or(batch);
    picture(sheet, clean, row, [y, x(0)], &ObjectRules::default());
    let after = picture(sheet, batch, row, [y, x(1)], rules);
    for rectangle in boxes(placed, row, after) {
        sheet.outline(rectangle.map_corners(y, x(1)), 2, ACCENT);
    }
    let drawn = placed.iter().filter(|step| acts(step, row)).find_map(|step| partner(step, row));
    let other = main_source(&batch.labels, row);
    let shown = other.and_then(|other| clean.index.iter().position(|index| sample_of(*index) == other));
    match (shown.or(drawn).filter(|partner| *partner < clean.len()), other) {
        (Some(partner), _) => {
            picture(sheet, clean, partner, [y, x(2)], &ObjectRules::default());
        }
        (None, Some(other)) => {
            sheet.text(&format!("sample {other}"), y + TILE / 2 - 8, x(2) + TILE / 2 - 32, 16.0, FAINT, TILE);
        }
        (None, None) => {
            sheet.text("not mixed", y + TILE / 2 - 8, x(2) + TILE / 2 - 32, 16.0, FAINT, TILE);
        }
    }
    if let Some(objects) = &batch.objects {
        objects_line(sheet, objects, row, rules, dataset.object_classes(), [y + TILE - 16, x(3), TEXT_WIDTH]);
    }
    let mut line = y;
    let mut write = |text: &str, size: f32, color: Color| {
        sheet.text(text, line, x(3), size, color, TEXT_WIDTH);
        line += size as usize + 4;
    };
    let view = view_of(batch.index[row]);
    let view = if view > 0 { format!(", view {view}") } else { String::new() };
    write(&format!("sample {}{view}", sample_of(batch.index[row])), 14.0, FAINT);
    for text in label_lines(&batch.labels, row, classes) {
        write(&text, 18.0, INK);
    }
    let Some(predictions) = &outcome.predictions else { return };
    let best = |logits: &ndarray::Array2<f32>| {
        let top = top5(logits.row(row), classes);
        top.as_array().into_iter().flatten().take(2).map(prediction).collect::<Vec<_>>().join(", ")
    };
    write("", 4.0, INK);
    write(&format!("clean: {}", best(&predictions.clean)), 15.0, INK);
    write(&format!("input mixed: {}", best(&predictions.input)), 15.0, INK);
    if let Some((logits, labels)) = &predictions.feature {
        write(&format!("features mixed: {}", best(logits)), 15.0, INK);
        let mixed = label_lines(labels, row, classes).join(", ");
        write(&format!("with the label {mixed}"), 13.0, FAINT);
    }
}

/// Pastes the picture of a sample with its objects at `(y, x)`; returns its size before it was fitted.
fn picture(
    sheet: &mut Sheet,
    batch: &Batch,
    row: usize,
    [y, x]: [usize; 2],
    rules: &ObjectRules,
) -> (usize, usize, usize) {
    let pixels = shown(batch, row);
    let (height, width, _) = pixels.dim();
    sheet.paste(fitted(pixels.view(), TILE).view(), y, x);
    if let Some(objects) = &batch.objects {
        let scale = TILE as f32 / height.max(width).max(1) as f32;
        mark_objects(sheet, objects, row, rules, [y, x], scale);
    }
    pixels.dim()
}

/// The pixels of a sample, with its mask in colors over it: each class has one, class 0 none.
fn shown(batch: &Batch, row: usize) -> Array3<u8> {
    let mut pixels = batch.rgb(row);
    let Some(masks) = &batch.masks else { return pixels };
    let (height, width, _) = pixels.dim();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        for (class, share) in shares(masks, row, [y, x]).filter(|(class, _)| *class > 0 && *class < masks.classes) {
            for (channel, ink) in MASK_COLORS[(class - 1) % MASK_COLORS.len()].into_iter().enumerate() {
                let value = &mut pixels[[y, x, channel]];
                let covered = COVER * share;
                *value = (f32::from(*value) * (1.0 - covered) + f32::from(ink) * covered).round() as u8;
            }
        }
    }
    pixels
}

/// The classes of a pixel of a mask and their shares.
fn shares(masks: &Masks, row: usize, [y, x]: [usize; 2]) -> Box<dyn Iterator<Item = (usize, f32)> + '_> {
    match &masks.images {
        Images::Ragged(images) => Box::new(std::iter::once((usize::from(images[row][[y, x, 0]]), 1.0))),
        Images::U8(ids) => Box::new(std::iter::once((usize::from(ids[[row, 0, y, x]]), 1.0))),
        Images::F32(shares) => Box::new((0..shares.dim().1).map(move |class| (class, shares[[row, class, y, x]]))),
    }
}

fn prediction(entry: &serde_json::Value) -> String {
    let name = entry["name"].as_str().map_or_else(|| format!("class {}", entry["class"]), str::to_owned);
    format!("{name} {:.0} %", 100.0 * entry["p"].as_f64().unwrap_or_default())
}

fn label_lines(labels: &Labels, row: usize, classes: &[String]) -> Vec<String> {
    let soft = labels.soft();
    let weights = soft.row(row);
    let mut shown: Vec<(usize, f32)> =
        weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0).collect();
    shown.sort_by(|a, b| b.1.total_cmp(&a.1));
    let line = |(class, weight): &(usize, f32)| {
        let name = classes.get(*class).cloned().unwrap_or_else(|| format!("class {class}"));
        format!("{:.0} % {name}", 100.0 * weight)
    };
    shown.iter().take(3).map(line).collect()
}

/// A drawn box, scaled to its tile.
struct Outline([usize; 4]);

impl Outline {
    fn map_corners(&self, y: usize, x: usize) -> [usize; 4] {
        let [top, left, bottom, right] = self.0;
        [y + top, x + left, y + bottom, x + right]
    }
}

/// The sample of the data set that a sample shows most of, beside itself.
fn main_source(labels: &Labels, row: usize) -> Option<u64> {
    let sources = labels.sources();
    let (own, others) = sources[row].split_first()?;
    let others = others.iter().filter(|(index, _)| sample_of(*index) != sample_of(own.0));
    others.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| sample_of(*index))
}

/// The boxes that steps at the input mixed or erased in one sample, in pixels of the tile.
fn boxes(draws: &[&StepDraws], row: usize, (height, width, _): (usize, usize, usize)) -> Vec<Outline> {
    let longest = height.max(width).max(1);
    let scale = |value: i64| value.max(0) as usize * TILE / longest;
    let mut found = Vec::new();
    for step in draws.iter().filter(|step| acts(step, row)) {
        let edges = [Meaning::Top, Meaning::Left, Meaning::Bottom, Meaning::Right]
            .map(|edge| step.meaning(edge).map(|column| integers(column, row)).unwrap_or_default());
        let [top, left, bottom, right] = &edges;
        for item in 0..top.len().min(left.len()).min(bottom.len()).min(right.len()) {
            if bottom[item] > top[item] && right[item] > left[item] {
                found.push(Outline([scale(top[item]), scale(left[item]), scale(bottom[item]), scale(right[item])]));
            }
        }
    }
    found
}

/// Whether a step at the input that may pass by acted on a sample.
fn acts(step: &StepDraws, row: usize) -> bool {
    step.site.is_none()
        && matches!(step.meaning(Meaning::Decision), Some(Tensor::Bool(apply)) if apply.iter().nth(row) == Some(&true))
}

fn partner(step: &StepDraws, row: usize) -> Option<usize> {
    let column = integers(step.meaning(Meaning::Partner)?, row);
    column.first().and_then(|partner| usize::try_from(*partner).ok())
}

fn integers(column: &Tensor, row: usize) -> Vec<i64> {
    match column {
        Tensor::I64(values) if values.ndim() == 1 => values.iter().skip(row).take(1).copied().collect(),
        Tensor::I64(values) => values.index_axis(ndarray::Axis(0), row).iter().copied().collect(),
        _ => Vec::new(),
    }
}
