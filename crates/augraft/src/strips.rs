//! The pictures of the operators: a photo, and what an operator's example makes of it.

use std::fs;
use std::path::Path;

use augraft_data::{Dataset, OnError, Source, load_batch};
use augraft_engine::{EngineError, Program};
use augraft_operator::{Batch, Element, Entry, Images, Interpolation, Labels, Layout, Registry, Shape, sample_of};
use augraft_pipeline::{Facts, ModelSpec, Overrides, PipelineSpec, Plan, plan};
use ndarray::{Array3, Array4, s};

use crate::failure::Failure;
use crate::palette::small_png;
use crate::tile::{fitted, resized};

/// Side of the images that examples act on: larger than what crops usually leave.
const SIDE: usize = 256;
/// Side of a picture on a strip.
const TILE: usize = 96;
const GAP: usize = 4;
/// Results on a strip.
const RESULTS: usize = 2;
/// Epochs that are drawn to find so many.
const EPOCHS: u32 = 32;
/// Bytes of a file.
const MOST: usize = 20 * 1024;

/// What goes before an example: nothing, or where it needs floats, what brings them.
const PRELUDES: [&str; 2] = ["", "  - normalize: unit\n"];

/// Writes `NAME.png` for every operator.
pub(crate) fn write_strips(folder: &Path, photos: &Path, registry: &Registry) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(Failure::user)?;
    let batch = samples(photos)?;
    for entry in registry.iter() {
        let strip = joined(&pictures(entry, registry, &batch)?);
        let pixels: Vec<[u8; 3]> = strip.rows().into_iter().map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        let file = small_png(&pixels, strip.dim().1, MOST).map_err(Failure::user)?;
        fs::write(folder.join(format!("{}.png", entry.name)), file).map_err(Failure::user)?;
    }
    Ok(())
}

/// The middle of every photo, as one batch of bytes.
fn samples(photos: &Path) -> Result<Batch, Failure> {
    let dataset = Dataset::open_with_classes(&Source::Folder(photos.to_owned()), None)?;
    let indices: Vec<u64> = (0..dataset.len() as u64).collect();
    let loaded = load_batch(&dataset, &indices, OnError::Fail)?;
    let squares: Vec<Array3<u8>> = loaded.images.iter().map(square).collect();
    let images =
        Array4::from_shape_fn([squares.len(), 3, SIDE, SIDE], |(row, channel, y, x)| squares[row][[y, x, channel]]);
    let labels = Labels::multi_hot(&loaded.labels, dataset.classes().len(), &loaded.index);
    Ok(Batch::new(Images::U8(images), labels, loaded.index))
}

/// The first photo, and what the operator's example made of it: the first draws that show a difference, or the one result that there is.
fn pictures(entry: &Entry, registry: &Registry, batch: &Batch) -> Result<Vec<Array3<u8>>, Failure> {
    let before = batch.rgb(0);
    let mut results: Vec<Array3<u8>> = Vec::new();
    let mut unchanged = None;
    for epoch in 0..EPOCHS {
        let planned = planned(entry, registry, batch, epoch)?;
        let outcome = Program::bind(&planned, None)?.run(batch.clone(), false)?;
        // A step that makes views has several results for the sample.
        let is_first = |row: &usize| sample_of(outcome.batch.index[*row]) == batch.index[0];
        for row in (0..outcome.batch.len()).filter(is_first) {
            let after = outcome.batch.rgb(row);
            if after == before {
                unchanged = Some(after);
            } else if results.len() < RESULTS && !results.contains(&after) {
                results.push(after);
            }
        }
        // An operator that draws nothing does the same again.
        if results.len() == RESULTS || outcome.draws.iter().all(|step| step.draws.columns.is_empty()) {
            break;
        }
    }
    if results.is_empty() {
        results.extend(unchanged);
    }
    Ok(std::iter::once(before).chain(results).collect())
}

fn planned(entry: &Entry, registry: &Registry, batch: &Batch, epoch: u32) -> Result<Plan, Failure> {
    let example = entry.example().ok_or_else(|| Failure::User(format!("{}: has no example", entry.name)))?;
    let steps: String = example.lines().flat_map(|line| ["  ", line, "\n"]).collect();
    let layout = Layout::Dense { height: SIDE, width: SIDE };
    let classes = batch.labels.classes();
    let input = Shape { layout, channels: 3, element: Element::U8, classes, image_size: None };
    let facts = Facts { classes, samples: Some(batch.len()), input: Some(input), ..Facts::default() };
    let overrides = Overrides { epoch: Some(epoch), ..Overrides::default() };
    let attempt = |prelude: &str| {
        let text = format!("augraft: 1\nsteps:\n{prelude}{steps}");
        let file = format!("{}.yaml", entry.name);
        let spec = PipelineSpec::parse(&text, Path::new(&file), registry)?;
        plan(&spec, &overrides, &facts, &mut |_: &ModelSpec, _| {
            Err(EngineError::Unfit("an example has no model".to_owned()))
        })
    };
    let [plain, floats] = PRELUDES;
    Ok(attempt(plain).or_else(|_| attempt(floats))?)
}

/// The middle of a photo (rows, columns, colors), as large as an example is.
fn square(photo: &Array3<u8>) -> Array3<u8> {
    let (height, width, _) = photo.dim();
    let side = height.min(width);
    let [top, left] = [height, width].map(|length| (length - side) / 2);
    let middle = photo.slice(s![top..top + side, left..left + side, ..]);
    resized(middle, Interpolation::Bilinear, [SIDE; 2])
}

/// The pictures side by side, each as large as fits a tile, on white.
fn joined(pictures: &[Array3<u8>]) -> Array3<u8> {
    let count = pictures.len();
    let mut strip = Array3::from_elem([TILE, count * TILE + (count - 1) * GAP, 3], 255);
    for (at, picture) in pictures.iter().enumerate() {
        let tile = fitted(picture.view(), TILE);
        let (height, width, _) = tile.dim();
        let (top, left) = ((TILE - height) / 2, at * (TILE + GAP) + (TILE - width) / 2);
        strip.slice_mut(s![top..top + height, left..left + width, ..]).assign(&tile);
    }
    strip
}
