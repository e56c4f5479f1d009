//! What one chunk of units gives, and its file.

use std::io::Write;
use std::path::Path;

use augraft_data::{NpzArray, Skipped, write_npz};
use ndarray::{Array1, Array2, Axis};
use ndarray_npy::NpzReader;

use crate::error::ExperimentError;

macro_rules! row {
    (ints { $($(#[$int_meta:meta])* $int:ident,)* } floats { $($(#[$float_meta:meta])* $float:ident,)* }) => {
        /// What one unit gave in one setting.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct Row {
            $($(#[$int_meta])* pub $int: i64,)*
            $($(#[$float_meta])* pub $float: f32,)*
        }

        impl Row {
            /// Names of the whole numbers.
            pub const INTS: &'static [&'static str] = &[$(stringify!($int)),*];
            /// Names of the real numbers.
            pub const FLOATS: &'static [&'static str] = &[$(stringify!($float)),*];

            /// The whole numbers, in the order of their names.
            #[must_use]
            pub fn ints(&self) -> Vec<i64> {
                vec![$(self.$int),*]
            }

            /// The real numbers, in the order of their names.
            #[must_use]
            pub fn floats(&self) -> Vec<f32> {
                vec![$(self.$float),*]
            }

            fn of(ints: &[i64], floats: &[f32]) -> Option<Self> {
                let (mut ints, mut floats) = (ints.iter(), floats.iter());
                Some(Self { $($int: *ints.next()?,)* $($float: *floats.next()?,)* })
            }
        }
    };
}

row! {
    ints {
        /// Number of the unit in its set.
        unit,
        /// Number of the set.
        set,
        /// Number of the setting.
        setting,
        /// Index of the image in its data.
        image,
        /// Index of the partner; -1 without one.
        partner,
        /// Class of the image; -1 where it is not known.
        label_a,
        /// Class of the partner; -1 without one.
        label_b,
        /// The most likely class.
        top1,
        /// Number of classes that are more likely than that of the image; -1 where it is not known.
        rank_a,
        /// First row of the box at the site; -1 without one.
        top,
        /// First column.
        left,
        /// Row after the last.
        bottom,
        /// Column after the last.
        right,
        /// 1 where the image's own part is inside of the box.
        own_inside,
    }
    floats {
        /// Weight of the image that was asked for.
        lam,
        /// Weight of the image by the elements.
        lam_eff,
        /// Probability of the class of the image; NaN where it is not known, as all that follow.
        p_a,
        /// Probability of the class of the partner.
        p_b,
        /// Logit of the class of the image.
        logit_a,
        /// Logit of the class of the partner.
        logit_b,
        /// Largest probability.
        confidence,
        /// Entropy of the softmax, nats.
        entropy,
        /// Log of the sum of the exponentials of the logits.
        energy,
        /// Largest logit.
        max_logit,
        /// Weight of the most likely class in the label by area.
        credit,
        /// Cross entropy with the label by area, nats.
        nll,
        /// Sum over the classes of the squared difference of probability and label by area.
        brier,
        /// Divergence of the softmax from the label by area, nats.
        kl_area,
        /// The same from the label of the larger part.
        kl_one_hot,
        /// The same from the label of a half each.
        kl_complete,
        /// Share of the elements at the site that changed.
        changed,
    }
}

/// A saliency map.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Number of the unit.
    pub unit: i64,
    /// Number of the setting.
    pub setting: i64,
    /// Number of the method in the plan.
    pub method: i64,
    /// Number of the target in the plan.
    pub target: i64,
    /// The class that it explains.
    pub class: i64,
    /// Rows by columns.
    pub values: Array2<f32>,
}

/// An image as it entered the model, red, green and blue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// Number of the unit.
    pub unit: i64,
    /// Number of the setting.
    pub setting: i64,
    /// Height and width.
    pub size: [usize; 2],
    /// Bytes, row by row.
    pub pixels: Vec<u8>,
}

/// The boxes of an object in an image, in pixels of the model's input.
#[derive(Debug, Clone, PartialEq)]
pub struct Boxes {
    /// Number of the unit.
    pub unit: i64,
    /// `[left, top, right, bottom]`.
    pub boxes: Vec<[f64; 4]>,
}

/// What one chunk of units gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chunk {
    /// By setting, then by unit.
    pub rows: Vec<Row>,
    /// By setting, unit, method and target.
    pub maps: Vec<Map>,
    /// Images for the report.
    pub shots: Vec<Shot>,
    /// Boxes of the images that maps are made of.
    pub boxes: Vec<Boxes>,
    /// Images that could not be read.
    pub skipped: Vec<Skipped>,
    /// Largest difference of a logit between the cut and the whole model, where it was measured.
    pub drift: Option<f32>,
}

impl Chunk {
    /// Writes the chunk so that its file is whole or not there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), ExperimentError> {
        let ints = table(self.rows.iter().map(Row::ints), Row::INTS.len());
        let floats = table(self.rows.iter().map(Row::floats), Row::FLOATS.len());
        let map = |map: &Map| {
            let (height, width) = map.values.dim();
            vec![map.unit, map.setting, map.method, map.target, map.class, height as i64, width as i64]
        };
        let maps = table(self.maps.iter().map(map), MAP_INTS);
        let values: Array1<f32> = self.maps.iter().flat_map(|map| map.values.iter().copied()).collect();
        let shot = |shot: &Shot| vec![shot.unit, shot.setting, shot.size[0] as i64, shot.size[1] as i64];
        let shots = table(self.shots.iter().map(shot), SHOT_INTS);
        let pixels: Array1<u8> = self.shots.iter().flat_map(|shot| shot.pixels.iter().copied()).collect();
        let mut boxed = Vec::new();
        for entry in &self.boxes {
            let unit = entry.unit as f64;
            boxed.extend(entry.boxes.iter().map(|[left, top, right, bottom]| vec![unit, *left, *top, *right, *bottom]));
        }
        let boxes = table(boxed.into_iter(), BOX_FLOATS);
        let skipped =
            serde_json::to_vec(&self.skipped).map_err(|error| ExperimentError::file("cannot write", path, error))?;
        let drift = Array1::from_iter(self.drift);
        let temporary = path.with_extension("part");
        write_npz(
            &temporary,
            &[
                ("ints", NpzArray::I64(ints.view().into_dyn())),
                ("floats", NpzArray::F32(floats.view().into_dyn())),
                ("maps", NpzArray::I64(maps.view().into_dyn())),
                ("map_values", NpzArray::F32(values.view().into_dyn())),
                ("shots", NpzArray::I64(shots.view().into_dyn())),
                ("shot_pixels", NpzArray::U8(pixels.view().into_dyn())),
                ("boxes", NpzArray::F64(boxes.view().into_dyn())),
                ("skipped", NpzArray::U8(Array1::from_vec(skipped).view().into_dyn())),
                ("drift", NpzArray::F32(drift.view().into_dyn())),
            ],
        )?;
        let place = || {
            std::fs::File::open(&temporary)?.sync_all()?;
            std::fs::rename(&temporary, path)
        };
        place().map_err(|error| ExperimentError::file("cannot write", path, error))
    }

    /// Reads a chunk that [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// When the file is no such chunk.
    pub fn read(path: &Path) -> Result<Self, ExperimentError> {
        read(path).map_err(|reason| ExperimentError::file("cannot read", path, reason))
    }
}

const MAP_INTS: usize = 7;
const SHOT_INTS: usize = 4;
const BOX_FLOATS: usize = 5;

fn table<T: Clone>(rows: impl Iterator<Item = Vec<T>>, columns: usize) -> Array2<T> {
    let values: Vec<T> = rows.flatten().collect();
    let rows = values.len() / columns;
    // The rows all have this many columns, so the shape fits.
    Array2::from_shape_vec([rows, columns], values)
        .unwrap_or_else(|_| Array2::from_shape_fn([0, columns], |_| unreachable!()))
}

fn read(path: &Path) -> Result<Chunk, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut npz = NpzReader::new(file).map_err(|error| error.to_string())?;
    macro_rules! array {
        ($type:ty, $name:literal) => {{
            let array: $type = npz.by_name($name).map_err(|error| error.to_string())?;
            array
        }};
    }
    let (ints, floats) = (array!(Array2<i64>, "ints"), array!(Array2<f32>, "floats"));
    let rows = ints.axis_iter(Axis(0)).zip(floats.axis_iter(Axis(0)));
    let rows = rows.map(|(ints, floats)| Row::of(&ints.to_vec(), &floats.to_vec()));
    let rows: Option<Vec<Row>> = rows.collect();
    let values = array!(Array1<f32>, "map_values").to_vec();
    let mut used = 0;
    let mut maps = Vec::new();
    for map in array!(Array2<i64>, "maps").axis_iter(Axis(0)) {
        let [height, width] = [map[5] as usize, map[6] as usize];
        let own = values.get(used..used + height * width).ok_or("a map is cut off")?.to_vec();
        used += height * width;
        let values = Array2::from_shape_vec([height, width], own).map_err(|error| error.to_string())?;
        maps.push(Map { unit: map[0], setting: map[1], method: map[2], target: map[3], class: map[4], values });
    }
    let pixels = array!(Array1<u8>, "shot_pixels").to_vec();
    let mut used = 0;
    let mut shots = Vec::new();
    for shot in array!(Array2<i64>, "shots").axis_iter(Axis(0)) {
        let size = [shot[2] as usize, shot[3] as usize];
        let length = 3 * size[0] * size[1];
        let own = pixels.get(used..used + length).ok_or("an image is cut off")?.to_vec();
        used += length;
        shots.push(Shot { unit: shot[0], setting: shot[1], size, pixels: own });
    }
    let mut boxes: Vec<Boxes> = Vec::new();
    for entry in array!(Array2<f64>, "boxes").axis_iter(Axis(0)) {
        let (unit, one) = (entry[0] as i64, [entry[1], entry[2], entry[3], entry[4]]);
        match boxes.last_mut().filter(|last| last.unit == unit) {
            Some(last) => last.boxes.push(one),
            None => boxes.push(Boxes { unit, boxes: vec![one] }),
        }
    }
    let skipped = array!(Array1<u8>, "skipped").to_vec();
    let skipped = serde_json::from_slice(&skipped).map_err(|error| error.to_string())?;
    let drift = array!(Array1<f32>, "drift").first().copied();
    Ok(Chunk { rows: rows.ok_or("a row is cut off")?, maps, shots, boxes, skipped, drift })
}

/// Writes bytes so that the file is whole or not there, and reports a full disk.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ExperimentError> {
    let write = || {
        let temporary = path.with_extension("part");
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error: std::io::Error| ExperimentError::file("cannot write", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let row = |number: i64| {
            let ints: Vec<i64> = (0..Row::INTS.len() as i64).map(|at| at * 10 + number).collect();
            let floats: Vec<f32> = (0..Row::FLOATS.len()).map(|at| at as f32 / 3.0 + number as f32).collect();
            Row::of(&ints, &floats).unwrap()
        };
        let values = Array2::from_shape_fn([2, 3], |(row, column)| (row * 3 + column) as f32 * 0.1);
        let chunk = Chunk {
            rows: vec![row(0), row(1)],
            maps: vec![Map { unit: 3, setting: 1, method: 0, target: 0, class: 9, values }],
            shots: vec![Shot { unit: 0, setting: 0, size: [1, 2], pixels: vec![1, 2, 3, 4, 5, 6] }],
            boxes: vec![Boxes { unit: 3, boxes: vec![[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]] }],
            skipped: vec![Skipped { index: 4, path: "a/b.jpg".to_owned(), reason: "cut off".to_owned() }],
            drift: Some(1e-7),
        };
        let path = folder.path().join("chunk.npz");
        chunk.write(&path).unwrap();
        assert_eq!(Chunk::read(&path).unwrap(), chunk);
        assert!(std::fs::read_dir(folder.path()).unwrap().count() == 1);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(Chunk::read(&path).unwrap_err().to_string().contains("cannot read"));
    }
}
