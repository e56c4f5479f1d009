//! Text files of YOLO: a line for each object, in shares of the image.

use std::path::Path;

use super::object::{At, Object, refused};
use crate::error::Error;

/// Largest class that a line may have, so that a slip does not make a list of a billion names.
const LARGEST_CLASS: f64 = 65_535.0;

/// Reads the objects of an image of `[height, width]`; a line has `keypoints` of them, or a polygon or box without.
pub(super) fn read(
    path: &Path,
    text: &str,
    keypoints: usize,
    classes: usize,
    size: [usize; 2],
) -> Result<Vec<Object>, Error> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let object = |(id, (number, line)): (usize, (usize, &str))| {
        let at = At::Line(number + 1);
        object(line, at, id as u64, keypoints, classes, size).map_err(|problem| refused(path, at, problem))
    };
    lines.enumerate().map(object).collect()
}

/// The largest class of the lines that have one.
pub(super) fn largest_class(text: &str) -> Option<usize> {
    let lines = text.trim_start_matches('\u{feff}').lines();
    lines.filter_map(|line| class_of(line.split_whitespace().next()?.parse().ok()?)).max()
}

fn class_of(number: f64) -> Option<usize> {
    ((0.0..=LARGEST_CLASS).contains(&number) && number.fract() == 0.0).then_some(number as usize)
}

fn object(line: &str, at: At, id: u64, keypoints: usize, classes: usize, size: [usize; 2]) -> Result<Object, String> {
    let mut numbers = Vec::new();
    for word in line.split_whitespace() {
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
        numbers.push(number.ok_or_else(|| format!("holds `{word}`, which is no finite number; correct it"))?);
    }
    let (first, rest) = numbers.split_first().ok_or("is empty; remove it")?;
    let class = class_of(*first).ok_or_else(|| {
        format!("has the class {first}, which is no whole number from 0 to {LARGEST_CLASS}; begin it with the class")
    })?;
    if class >= classes {
        let known = match classes {
            0 => "there are no classes".to_owned(),
            classes => format!("the classes end at {}", classes - 1),
        };
        return Err(format!("has the class {class}, but {known}; correct the line or the class list"));
    }
    let [height, width] = size.map(|side| side as f64);
    let (bounds, points) = match rest.len() {
        4 if keypoints == 0 => (centered(rest, size), Vec::new()),
        count if keypoints == 0 && count >= 6 && count % 2 == 0 => (around(rest, size), Vec::new()),
        count if keypoints > 0 && (count == 4 + 2 * keypoints || count == 4 + 3 * keypoints) => {
            let each = (count - 4) / keypoints;
            let points = rest[4..].chunks_exact(each).map(|point| {
                let (x, y) = (point[0], point[1]);
                // Without a visibility of its own, a keypoint left of or above the image is how tools write one that is not labeled.
                let assumed = if x < 0.0 || y < 0.0 { 0.0 } else { 2.0 };
                [x * width, y * height, point.get(2).copied().unwrap_or(assumed)]
            });
            (centered(&rest[..4], size), points.collect())
        }
        _ => return Err(wrong_count(numbers.len(), keypoints)),
    };
    Ok(Object { at, id, class, bounds, crowd: false, difficult: false, keypoints: points })
}

fn wrong_count(found: usize, keypoints: usize) -> String {
    if keypoints == 0 {
        let forms = "write `class cx cy w h`, or `class x y ...` with at least 3 points";
        return format!("has {found} numbers; {forms}, or set `keypoints`");
    }
    let (without, with) = (5 + 2 * keypoints, 5 + 3 * keypoints);
    format!(
        "has {found} numbers, but with {keypoints} keypoints it takes {without} (`class cx cy w h`, then `x y` for each) or {with} (`x y visibility`); correct the line or `keypoints`"
    )
}

/// The box of a center and size.
fn centered(shares: &[f64], [height, width]: [usize; 2]) -> [f64; 4] {
    let (width, height) = (width as f64, height as f64);
    let (cx, cy, w, h) = (shares[0] * width, shares[1] * height, shares[2] * width, shares[3] * height);
    [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0]
}

/// The box around a polygon.
fn around(shares: &[f64], [height, width]: [usize; 2]) -> [f64; 4] {
    let mut bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for point in shares.chunks_exact(2) {
        let (x, y) = (point[0] * width as f64, point[1] * height as f64);
        bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x), bounds[3].max(y)];
    }
    bounds
}
