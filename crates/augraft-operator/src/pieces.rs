//! Rectangles of a sample that each show the same everywhere.

use crate::border::PaddingMode;
use crate::bounds::Rectangle;
use crate::mix_images::fitted;
use crate::mixing::{Patch, Shows};
use crate::motion::{Motion, Window};
use crate::scalar::Row;
use crate::taps::Stretch;

/// Weights of sources; equal sources are one.
pub(crate) type Weights = Vec<(u32, f64)>;

/// A rectangle that shows the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) edges: Rectangle,
    pub(crate) weights: Weights,
}

/// Adds the weights of a list, times `factor`, to another; the order of the first is kept.
pub(crate) fn add(to: &mut Weights, from: &[(u32, f64)], factor: f64) {
    if factor == 0.0 {
        return;
    }
    for (source, weight) in from {
        match to.iter_mut().find(|(known, _)| known == source) {
            Some((_, sum)) => *sum += weight * factor,
            None => to.push((*source, weight * factor)),
        }
    }
}

pub(crate) fn blend(own: &[(u32, f64)], other: &[(u32, f64)], lam: f64) -> Weights {
    let mut mixed = Weights::with_capacity(own.len() + other.len());
    add(&mut mixed, own, lam);
    add(&mut mixed, other, 1.0 - lam);
    mixed
}

pub(crate) fn area([top, left, bottom, right]: Rectangle) -> i64 {
    (bottom - top).max(0) * (right - left).max(0)
}

fn meet(a: Rectangle, b: Rectangle) -> Rectangle {
    [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]
}

/// What is left of a rectangle without a hole: at most four rectangles.
fn without(edges: Rectangle, hole: Rectangle) -> impl Iterator<Item = Rectangle> {
    let [top, left, bottom, right] = edges;
    let inner = meet(edges, hole);
    let parts = if area(inner) == 0 {
        [edges, [0; 4], [0; 4], [0; 4]]
    } else {
        [
            [top, left, inner[0], right],
            [inner[2], left, bottom, right],
            [inner[0], left, inner[2], inner[1]],
            [inner[0], inner[3], inner[2], right],
        ]
    };
    parts.into_iter().filter(|part| area(*part) > 0)
}

/// A sample with rectangles that show others.
pub(crate) fn pasted(rows: &[Vec<Piece>], row: usize, patches: &[Patch<Row>], grid: [usize; 2]) -> Vec<Piece> {
    let mut pieces = rows[row].clone();
    for patch in patches.iter().filter(|patch| !patch.is_empty()) {
        let kept = pieces.iter().flat_map(|piece| {
            without(piece.edges, patch.edges).map(|edges| Piece { edges, weights: piece.weights.clone() })
        });
        pieces = kept.collect();
        let [height, width] = patch.sides();
        for piece in &rows[patch.source(row)] {
            let edges = match patch.shows {
                Shows::Place => meet(piece.edges, patch.edges),
                Shows::Nearest | Shows::Bilinear => {
                    let first =
                        |at: i64, out: usize, side: usize| first_at(out, |place| fitted(place, out, side) as i64 >= at);
                    let [top, left, bottom, right] = piece.edges;
                    let (y, x) = (patch.edges[0], patch.edges[1]);
                    [
                        y + first(top, height, grid[0]),
                        x + first(left, width, grid[1]),
                        y + first(bottom, height, grid[0]),
                        x + first(right, width, grid[1]),
                    ]
                }
            };
            if area(edges) > 0 {
                pieces.push(Piece { edges, weights: piece.weights.clone() });
            }
        }
    }
    pieces
}

/// The first of `count` places from which on something holds; `count` where it never does.
fn first_at(count: usize, holds: impl Fn(usize) -> bool) -> i64 {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low as i64
}

/// A blend of two samples: where one shows nothing, it adds nothing.
pub(crate) fn overlaid(own: &[Piece], other: &[Piece], lam: f64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for a in own {
        for b in other {
            let edges = meet(a.edges, b.edges);
            if area(edges) > 0 {
                pieces.push(Piece { edges, weights: blend(&a.weights, &b.weights, lam) });
            }
        }
    }
    let covered = |pieces: &[Piece]| pieces.iter().map(|piece| area(piece.edges)).sum::<i64>();
    let both = covered(&pieces);
    for (these, those, factor) in [(own, other, lam), (other, own, 1.0 - lam)] {
        if factor == 0.0 || both == covered(these) {
            continue;
        }
        for piece in these {
            let alone = those.iter().fold(vec![piece.edges], |parts, hole| {
                parts.into_iter().flat_map(|part| without(part, hole.edges)).collect()
            });
            let weights = || blend(&piece.weights, &[], factor);
            pieces.extend(alone.into_iter().map(|edges| Piece { edges, weights: weights() }));
        }
    }
    pieces
}

/// The pieces after a motion; none where they are no rectangles any more.
pub(crate) fn moved(pieces: &[Piece], motion: &Motion<Row>, [height, width]: [usize; 2]) -> Option<Vec<Piece>> {
    let (h, w) = (height as i64, width as i64);
    let turned = |edges: Rectangle, rows: bool, columns: bool| {
        let [top, left, bottom, right] = edges;
        let [top, bottom] = if rows { [h - bottom, h - top] } else { [top, bottom] };
        let [left, right] = if columns { [w - right, w - left] } else { [left, right] };
        [top, left, bottom, right]
    };
    let swapped = |[top, left, bottom, right]: Rectangle| [left, top, right, bottom];
    let each = |map: &dyn Fn(Rectangle) -> Rectangle| {
        let moved = pieces.iter().map(|piece| Piece { edges: map(piece.edges), weights: piece.weights.clone() });
        Some(moved.filter(|piece| area(piece.edges) > 0).collect())
    };
    match motion {
        Motion::Stay => each(&|edges| edges),
        Motion::Mirror { rows, columns } => each(&|edges| turned(edges, *rows, *columns)),
        Motion::Transpose(apply) => each(&|edges| if *apply { swapped(edges) } else { edges }),
        Motion::Quarter(k) => {
            let odd = k % 2 == 1;
            each(&|edges| {
                let edges = if odd { swapped(edges) } else { edges };
                turned(edges, matches!(k, 1 | 2), matches!(k, 2 | 3))
            })
        }
        Motion::Window(window) => {
            let [rows, columns] = [shown(window, 0, height)?, shown(window, 1, width)?];
            let span = |(first, pixels): &(usize, Vec<i64>), from: i64, to: i64| {
                [from, to].map(|edge| (first + pixels.partition_point(|pixel| *pixel < edge)) as i64)
            };
            each(&|[top, left, bottom, right]| {
                let ([top, bottom], [left, right]) = (span(&rows, top, bottom), span(&columns, left, right));
                [top, left, bottom, right]
            })
        }
        Motion::Cells(cells) => {
            let parts = cells.moves([height, width]).flat_map(|[to, from]| {
                let [down, right] = [to[0] - from[0], to[1] - from[1]];
                pieces.iter().filter_map(move |piece| {
                    let inner = meet(piece.edges, from);
                    let edges = [inner[0] + down, inner[1] + right, inner[2] + down, inner[3] + right];
                    (area(inner) > 0).then(|| Piece { edges, weights: piece.weights.clone() })
                })
            });
            Some(parts.collect())
        }
        Motion::Affine(_) | Motion::Projective(_) | Motion::Displaced(_) | Motion::Chain(_) => None,
    }
}

/// The first place of a side of the result that shows a pixel, and the pixels from there on, in order; none where they are not in order.
fn shown(window: &Window<Row>, axis: usize, side: usize) -> Option<(usize, Vec<i64>)> {
    let mut sides = [0; 2];
    sides[axis] = side;
    let (out, start) = (window.size.of(sides)[axis], window.corner[axis]);
    if let Some(stretched) = &window.stretch {
        let stretch = Stretch { start: start as usize, length: stretched.length[axis] as usize, out };
        return Some((0, stretch.nearest().into_iter().map(|pixel| pixel as i64).collect()));
    }
    let first = (-start).clamp(0, out as i64);
    let last = (side as i64 - start).clamp(first, out as i64);
    let reaches = first > 0 || last < out as i64;
    let plain = matches!(window.outside.mode, PaddingMode::Constant);
    (plain || !reaches).then(|| (first as usize, (first..last).map(|at| start + at).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blend_keeps_what_only_one_of_two_shows() {
        let piece = |source, edges| vec![Piece { edges, weights: vec![(source, 1.0)] }];
        let blended = overlaid(&piece(0, [0, 0, 4, 3]), &piece(1, [0, 1, 4, 4]), 0.5);
        let mut sums = Weights::new();
        for piece in &blended {
            add(&mut sums, &piece.weights, area(piece.edges) as f64);
        }
        assert_eq!(sums, [(0, 6.0), (1, 6.0)]);
    }
}
