//! What saliency maps are worth.

use std::collections::BTreeMap;

use ndarray::Array2;

use super::cells::{At, Cell, REPLICATES};
use crate::metric::{MapMetric, Metric};
use crate::metrics::{
    BoxIous, Rect, bootstrap, box_ious, energy_share, localized, max_box_acc, max_box_acc_v2, mean_interval, normalize,
    resize_bicubic, wilson,
};
use crate::plan::ExperimentPlan;
use crate::results::Results;
use crate::spec::Target;
use crate::table::{Map, Row};

/// What saliency maps are worth, by setting, method, target and unit.
pub(super) struct Measured {
    ious: BTreeMap<(i64, i64, i64), Vec<Scored>>,
}

/// One map, measured.
struct Scored {
    unit: i64,
    map: Array2<f32>,
    /// Boxes of the object; none where none was given.
    truth: Vec<Rect>,
    ious: Option<BoxIous>,
}

impl Measured {
    pub(super) fn of(plan: &ExperimentPlan, results: &Results) -> Self {
        let mut ious: BTreeMap<_, Vec<Scored>> = BTreeMap::new();
        let wanted = |metric: &Metric| matches!(metric, Metric::Map(MapMetric::MaxBoxAcc | MapMetric::MaxBoxAccV2));
        let thresholds = plan.metrics.iter().any(wanted);
        let [_, height, width] = plan.places[0].map;
        for map in &results.maps {
            let boxes = results.boxes.binary_search_by_key(&map.unit, |boxes| boxes.unit);
            let boxes = boxes.map_or(&[][..], |at| &results.boxes[at].boxes);
            let rect =
                |[left, top, right, bottom]: &[f64; 4]| Rect { top: *top, left: *left, bottom: *bottom, right: *right };
            let truth: Vec<Rect> = boxes.iter().map(rect).collect();
            let large = upsampled(map, [height, width]);
            let scored = thresholds && !truth.is_empty();
            let measured = scored.then(|| box_ious(normalize(large.view()).view(), &truth));
            let entry = Scored { unit: map.unit, map: large, truth, ious: measured };
            ious.entry((map.setting, map.method, map.target)).or_default().push(entry);
        }
        Self { ious }
    }

    pub(super) fn cells(&self, at: &At<'_>, measure: MapMetric, template: &Cell) -> Vec<Cell> {
        let Some(saliency) = at.plan.saliency.as_ref().filter(|_| at.set == 0) else { return Vec::new() };
        let mut cells = Vec::new();
        for (method, of_method) in saliency.methods.iter().enumerate() {
            for (target, of_target) in saliency.targets.iter().enumerate() {
                let Some(maps) = self.ious.get(&(at.number as i64, method as i64, target as i64)) else { continue };
                let mut cell =
                    Cell { method: format!("{} {}", of_method.name(), of_target.name()), ..template.clone() };
                if measured(at, measure, saliency.targets[target], maps, &mut cell).is_some() {
                    cells.push(cell);
                }
            }
        }
        cells
    }
}

/// Fills a cell with a measure of maps; none where no map can be measured so.
fn measured(at: &At<'_>, measure: MapMetric, target: Target, maps: &[Scored], cell: &mut Cell) -> Option<()> {
    let boxed: Vec<&Scored> = maps.iter().filter(|map| !map.truth.is_empty()).collect();
    let row = |unit: i64| at.rows.iter().find(|row| row.unit == unit);
    let rate = |hits: &[bool], cell: &mut Cell| {
        let count = hits.iter().filter(|hit| **hit).count();
        cell.n = hits.len();
        cell.value = count as f64 / hits.len() as f64;
        cell.interval = Some(wilson(count as f64, hits.len() as u64));
    };
    if boxed.is_empty() && measure != MapMetric::EnergyInRegion {
        return None;
    }
    match measure {
        MapMetric::Loc(threshold) | MapMetric::GtKnownLoc(threshold) => {
            let hit = |scored: &&Scored| {
                let right = row(scored.unit).is_some_and(|row| row.top1 == row.label_a);
                let counts = right || matches!(measure, MapMetric::GtKnownLoc(_));
                counts && localized(scored.map.view(), threshold, &scored.truth)
            };
            rate(&boxed.iter().map(hit).collect::<Vec<_>>(), cell);
        }
        MapMetric::MaxBoxAcc | MapMetric::MaxBoxAccV2 => {
            let ious = |of: &dyn Fn(&BoxIous) -> Vec<f64>| {
                boxed.iter().filter_map(|map| map.ious.as_ref().map(of)).collect::<Vec<_>>()
            };
            let largest = measure == MapMetric::MaxBoxAcc;
            let ious = ious(&|ious| if largest { ious.largest.clone() } else { ious.best.clone() });
            let value = |ious: &[Vec<f64>]| if largest { max_box_acc(ious, 0.5) } else { max_box_acc_v2(ious) };
            cell.n = ious.len();
            cell.value = value(&ious);
            let mut resampled =
                |chosen: &[usize]| value(&chosen.iter().map(|at| ious[*at].clone()).collect::<Vec<_>>());
            cell.interval = Some(bootstrap(ious.len(), REPLICATES, at.plan.seed, &mut resampled));
        }
        MapMetric::EnergyInRegion => {
            let [_, height, width] = at.plan.places[0].map;
            let share = |scored: &Scored| {
                let inside = inside(at, row(scored.unit)?, target, &scored.truth, [height, width])?;
                Some(energy_share(scored.map.view(), inside.view())).filter(|share| share.is_finite())
            };
            let shares: Vec<f64> = maps.iter().filter_map(share).collect();
            if shares.is_empty() {
                return None;
            }
            cell.n = shares.len();
            cell.value = shares.iter().sum::<f64>() / shares.len() as f64;
            cell.interval = Some(mean_interval(&shares).map(|end| end.clamp(0.0, 1.0)));
        }
    }
    Some(())
}

/// Where the class of the target is in an image: outside or inside the box that was drawn at the input, else inside the object's boxes.
fn inside(at: &At<'_>, row: &Row, target: Target, truth: &[Rect], [height, width]: [usize; 2]) -> Option<Array2<bool>> {
    let bounds = [row.top, row.left, row.bottom, row.right];
    let within = |bounds: [f64; 4], y: usize, x: usize| {
        let (y, x) = (y as f64 + 0.5, x as f64 + 0.5);
        y >= bounds[0] && y < bounds[2] && x >= bounds[1] && x < bounds[3]
    };
    if at.setting.place.is_none() {
        let boxes: Vec<[f64; 4]> = truth.iter().map(|rect| [rect.top, rect.left, rect.bottom, rect.right]).collect();
        return (!boxes.is_empty()).then(|| {
            Array2::from_shape_fn([height, width], |(y, x)| boxes.iter().any(|bounds| within(*bounds, y, x)))
        });
    }
    let [_, rows, columns] = at.plan.places[at.setting.place?].map;
    let scale = [height as f64 / rows as f64, width as f64 / columns as f64];
    let bounds = if row.top >= 0 {
        [
            bounds[0] as f64 * scale[0],
            bounds[1] as f64 * scale[1],
            bounds[2] as f64 * scale[0],
            bounds[3] as f64 * scale[1],
        ]
    } else {
        // A blend has no region of its own; the box of the same area at the center is the reference.
        let side = (1.0 - f64::from(row.lam_eff)).max(0.0).sqrt();
        let edge = |length: usize, sign: f64| length as f64 * (0.5 + sign * side / 2.0);
        [edge(height, -1.0), edge(width, -1.0), edge(height, 1.0), edge(width, 1.0)]
    };
    let is_partner =
        target == Target::B || (target == Target::Top1 && row.top1 == row.label_b && row.label_a != row.label_b);
    let own_is_outside = is_partner == (row.own_inside == 1);
    Some(Array2::from_shape_fn([height, width], |(y, x)| within(bounds, y, x) != own_is_outside))
}

/// A map in the size of the image.
fn upsampled(map: &Map, size: [usize; 2]) -> Array2<f32> {
    resize_bicubic(map.values.view(), size)
}
