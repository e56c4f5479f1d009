//! One object, as it is written and as it is handed on.

use std::path::Path;

use crate::error::Error;

/// Share of an image's side by which a box may reach out of it as a matter of rounding.
const ROUNDING: f64 = 1e-3;

/// One annotated object of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// COCO's annotation id; otherwise the object's position in the file of its image, from 0.
    pub id: u64,
    /// Index into the classes of the objects.
    pub class: usize,
    /// `[left, top, right, bottom]` in pixels from the top left corner, continuous: pixel `i` covers `i..i + 1`, and the ends are exclusive.
    ///
    /// It lies inside of the image and has an area.
    pub bounds: [f32; 4],
    /// Whether it stands for a crowd of objects (COCO's `iscrowd`).
    pub crowd: bool,
    /// Whether it is marked as hard to recognize (VOC's `difficult`).
    pub difficult: bool,
    /// Keypoints as x, y and visibility, in the pixels that the source counts in; empty for an object without any.
    ///
    /// Visibility is 0 for a keypoint that is not labeled, whose place means nothing, 1 for a hidden and 2 for a visible one. Keypoints are not clipped.
    pub keypoints: Vec<[f32; 3]>,
}

/// A sample as files of annotations call it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    /// Path below the folder of images, or within its shard, with `/`.
    pub(crate) name: &'a str,
    /// Path of the file; for a member of a shard its name.
    pub(crate) path: &'a Path,
}

/// A place in a file of annotations.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    File,
    /// From 1.
    Line(usize),
    Id(u64),
}

/// Returns the error of what is wrong at a place; `problem` goes on after the file's name.
pub(super) fn refused(path: &Path, at: At, problem: String) -> Error {
    let place = match at {
        At::File => "the annotation file".to_owned(),
        At::Line(line) => format!("line {line} of the annotation file"),
        At::Id(id) => format!("annotation {id} of the annotation file"),
    };
    Error::Annotations { place, path: path.to_owned(), problem }
}

/// An object as it is written, in pixels, before it is checked against its image.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) at: At,
    pub(super) id: u64,
    pub(super) class: usize,
    /// Left, top, right, bottom.
    pub(super) bounds: [f64; 4],
    pub(super) crowd: bool,
    pub(super) difficult: bool,
    pub(super) keypoints: Vec<[f64; 3]>,
}

impl Object {
    /// The object with its box clipped to the image of `[height, width]`, and whether more than rounding was cut off.
    pub(super) fn within(self, size: [usize; 2]) -> Result<(Annotation, bool), String> {
        let (bounds, cut) = clipped(self.bounds, size)?;
        for (number, [x, y, visibility]) in self.keypoints.iter().enumerate() {
            if ![0.0, 1.0, 2.0].contains(visibility) {
                let meaning = "write 0 (not labeled), 1 (hidden) or 2 (visible)";
                return Err(format!("has keypoint {number} with the visibility {visibility}; {meaning}"));
            }
            if !(x.is_finite() && y.is_finite()) {
                return Err(format!("has keypoint {number} at ({x}, {y}); correct it, or set its visibility to 0"));
            }
        }
        let keypoints = self.keypoints.iter().map(|keypoint| keypoint.map(|value| value as f32)).collect();
        let Self { id, class, crowd, difficult, .. } = self;
        Ok((Annotation { id, class, bounds, crowd, difficult, keypoints }, cut))
    }
}

fn clipped(bounds: [f64; 4], [height, width]: [usize; 2]) -> Result<([f32; 4], bool), String> {
    const ADVICE: &str = "correct or remove it, or set `on_error: skip`";
    let [left, top, right, bottom] = bounds;
    if !bounds.iter().all(|value| value.is_finite()) {
        return Err(format!("has a box with a number that is not finite; {ADVICE}"));
    }
    let (wide, high) = (right - left, bottom - top);
    if wide < 0.0 || high < 0.0 {
        return Err(format!("has a box with a negative size, {wide} x {high} pixels; {ADVICE}"));
    }
    if wide == 0.0 || high == 0.0 {
        return Err(format!("has a box without area, {wide} x {high} pixels; {ADVICE}"));
    }
    let most = [width as f64, height as f64, width as f64, height as f64];
    let inside: [f64; 4] = std::array::from_fn(|side| bounds[side].clamp(0.0, most[side]));
    let kept = inside.map(|value| value as f32);
    if kept[2] <= kept[0] || kept[3] <= kept[1] {
        let place = format!("from ({left}, {top}) to ({right}, {bottom})");
        return Err(format!("has a box {place}, outside of its image of {width} x {height} pixels; {ADVICE}"));
    }
    let cut = (0..4).any(|side| (bounds[side] - inside[side]).abs() > ROUNDING * most[side]);
    Ok((kept, cut))
}
