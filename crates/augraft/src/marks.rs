//! Boxes and keypoints of objects on a sheet.

use std::collections::BTreeMap;

use augraft_operator::{ObjectRules, Objects};

use crate::sheet::{Color, Sheet};

/// Colors of the classes, which repeat; none is the red of what steps mix and erase.
const COLORS: [Color; 8] = [
    [0, 229, 155],
    [255, 196, 0],
    [64, 160, 255],
    [255, 105, 217],
    [178, 242, 46],
    [0, 226, 240],
    [188, 132, 255],
    [255, 146, 60],
];
/// Around keypoints, so that they stand out from any picture.
const EDGE: Color = [20, 20, 20];
/// Thickness of a box, and of one that a rule marks as ignored.
const THICK: usize = 2;
const THIN: usize = 1;

/// Outlines the objects of a sample in its picture, which begins at `(y, x)` and is `scale` as large as the image.
///
/// A visible keypoint is a disk and a hidden one a ring; one that is covered or not labeled is left out.
pub(crate) fn mark_objects(
    sheet: &mut Sheet,
    objects: &Objects,
    row: usize,
    rules: &ObjectRules,
    [y, x]: [usize; 2],
    scale: f32,
) {
    let seen = objects.seen_of(row, rules);
    for object in &seen {
        let [left, top, right, bottom] = object.bounds.map(|edge| (edge * scale).max(0.0).round() as usize);
        // A box of less than a pixel is still a point of the picture.
        let (right, bottom) = (right.max(left + 1), bottom.max(top + 1));
        let thick = if object.ignore { THIN } else { THICK };
        sheet.outline([y + top, x + left, y + bottom, x + right], thick, color(object.class));
    }
    for object in &seen {
        for ([across, down], visibility) in &object.keypoints {
            let at = [y as f32 + down * scale, x as f32 + across * scale];
            match visibility {
                0 => {}
                1 => sheet.ring(at, [1.6, 3.0], color(object.class)),
                _ => {
                    sheet.ring(at, [0.0, 3.4], EDGE);
                    sheet.ring(at, [0.0, 2.4], color(object.class));
                }
            }
        }
    }
}

/// Writes how many objects of each class a sample has, in the colors of their boxes, at `(y, x)` and at most `limit` wide.
pub(crate) fn objects_line(
    sheet: &mut Sheet,
    objects: &Objects,
    row: usize,
    rules: &ObjectRules,
    classes: &[String],
    [y, x, limit]: [usize; 3],
) {
    let mut counts = BTreeMap::new();
    for object in objects.seen_of(row, rules) {
        *counts.entry(object.class).or_insert(0usize) += 1;
    }
    let mut at = x;
    for (class, count) in counts {
        let name = classes.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
        let swatch = [y + 3, at, y + 13, at + 10];
        if at + 16 >= x + limit {
            break;
        }
        sheet.outline(swatch, 10, color(class));
        at += 14;
        at += 14 + sheet.text(&format!("{count} {name}"), y, at, 13.0, EDGE, x + limit - at);
    }
}

fn color(class: usize) -> Color {
    COLORS[class % COLORS.len()]
}
