//! Parts of a tensor C,H,W that an act means.

use augraft_operator::Frame;
use ndarray::{ArrayView3, ArrayViewMut3, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a tensor: a box by `side` or `area`, a cell of a `grid`, one of several `groups` of channels, or one `channel`; everything by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Height and width of a box, as a share of the tensor's; `round(side * H)` rows, halves away from zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0, max = 1))]
    pub side: Option<f64>,
    /// Area of a box, as a share of the tensor's: `side` is its square root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0, max = 1))]
    pub area: Option<f64>,
    /// Center of the box, as shares of height and width from the top left; the box is moved inside.
    #[serde(default = "middle", skip_serializing_if = "is_middle")]
    #[schemars(inner(range(min = 0, max = 1)))]
    pub center: [f64; 2],
    /// Where the box is drawn: on the tensor, or on the image and then rounded onto the tensor's grid.
    #[serde(default)]
    pub frame: Frame,
    /// Rows and columns of a grid of cells, which differ by an element where they do not come out even.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "[usize; 2]", inner(range(min = 1, max = 4096)))]
    pub grid: Option<[usize; 2]>,
    /// Row of the cell, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub row: Option<usize>,
    /// Column of the cell, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub column: Option<usize>,
    /// Number of groups of neighboring channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", range(min = 1))]
    pub groups: Option<usize>,
    /// The group, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub group: Option<usize>,
    /// The channel, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub channel: Option<usize>,
}

impl Default for Region {
    fn default() -> Self {
        Self {
            side: None,
            area: None,
            center: middle(),
            frame: Frame::Local,
            grid: None,
            row: None,
            column: None,
            groups: None,
            group: None,
            channel: None,
        }
    }
}

fn middle() -> [f64; 2] {
    [0.5, 0.5]
}

fn is_middle(center: &[f64; 2]) -> bool {
    *center == middle()
}

/// A region on a tensor of one shape: a range of channels, rows and columns, ends exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    channels: [usize; 2],
    rows: [usize; 2],
    columns: [usize; 2],
    is_box: bool,
}

impl Region {
    /// What keeps the region from a tensor of `[channels, height, width]`.
    ///
    /// # Errors
    /// Says which options contradict each other or the shape.
    pub fn check(&self, [channels, height, width]: [usize; 3]) -> Result<(), String> {
        let kinds = [
            self.side.is_some(),
            self.area.is_some(),
            self.grid.is_some(),
            self.groups.is_some(),
            self.channel.is_some(),
        ];
        if kinds.iter().filter(|kind| **kind).count() > 1 {
            return Err("a region has one of `side`, `area`, `grid`, `groups` and `channel`".to_owned());
        }
        let within = |name: &str, value: Option<usize>, bound: usize| match value {
            Some(value) if value < bound => Ok(()),
            Some(value) => Err(format!("`{name}` is {value}, but there are {bound}, counted from 0")),
            None => Err(format!("the region needs `{name}`")),
        };
        for (name, given, with) in [
            ("row", self.row.is_some(), self.grid.is_some()),
            ("column", self.column.is_some(), self.grid.is_some()),
            ("group", self.group.is_some(), self.groups.is_some()),
        ] {
            if given && !with {
                let of = if name == "group" { "groups" } else { "grid" };
                return Err(format!("`{name}` counts cells of `{of}`, which is missing"));
            }
        }
        if let Some([rows, columns]) = self.grid {
            within("row", self.row, rows)?;
            within("column", self.column, columns)?;
            if rows > height || columns > width {
                return Err(format!("a grid of {rows} x {columns} does not fit a tensor of {height} x {width}"));
            }
        }
        if let Some(groups) = self.groups {
            within("group", self.group, groups)?;
            if groups > channels {
                return Err(format!("{groups} groups are more than the {channels} channels"));
            }
        }
        self.channel.map_or(Ok(()), |channel| within("channel", Some(channel), channels))
    }

    /// Whether it is told by channels.
    #[must_use]
    pub fn is_of_channels(&self) -> bool {
        self.groups.is_some() || self.channel.is_some()
    }

    /// The share of the elements that a box was asked to have.
    #[must_use]
    pub fn asked_share(&self) -> Option<f64> {
        self.area.or_else(|| self.side.map(|side| side * side))
    }

    /// Where the region lies on a tensor; `image` is the size of the images for `frame: project`.
    #[must_use]
    pub fn place(&self, [channels, height, width]: [usize; 3], image: Option<[usize; 2]>) -> Place {
        let whole = Place { channels: [0, channels], rows: [0, height], columns: [0, width], is_box: false };
        if let Some(side) = self.side.or_else(|| self.area.map(f64::sqrt)) {
            let drawn_on = if self.frame == Frame::Project { image } else { None }.unwrap_or([height, width]);
            let [rows, columns] = [0, 1].map(|axis| {
                let span = centered(side, self.center[axis], drawn_on[axis]);
                span.map(|edge| projected(edge, drawn_on[axis], [height, width][axis]))
            });
            return Place { rows, columns, is_box: true, ..whole };
        }
        if let (Some([rows, columns]), Some(row), Some(column)) = (self.grid, self.row, self.column) {
            return Place {
                rows: part(row, rows, height),
                columns: part(column, columns, width),
                is_box: true,
                ..whole
            };
        }
        if let (Some(groups), Some(group)) = (self.groups, self.group) {
            return Place { channels: part(group, groups, channels), ..whole };
        }
        self.channel.map_or(whole, |channel| Place { channels: [channel, channel + 1], ..whole })
    }
}

/// Part `number` of `parts` of a side.
fn part(number: usize, parts: usize, side: usize) -> [usize; 2] {
    [number * side / parts, (number + 1) * side / parts]
}

/// First element and the one after the last of `share` of a side around `center`, moved inside.
fn centered(share: f64, center: f64, side: usize) -> [usize; 2] {
    let length = ((share * side as f64).round() as usize).min(side);
    let start = (center * side as f64 - length as f64 / 2.0).floor().clamp(0.0, (side - length) as f64) as usize;
    [start, start + length]
}

/// An edge on another grid, halves away from zero.
fn projected(edge: usize, from: usize, to: usize) -> usize {
    if from == to { edge } else { (2 * edge * to + from) / (2 * from) }
}

impl Place {
    /// The elements of a sample there.
    #[must_use]
    pub fn slice<'a>(&self, sample: &'a ArrayView3<'_, f32>) -> ArrayView3<'a, f32> {
        let Self { channels, rows, columns, .. } = *self;
        sample.slice(s![channels[0]..channels[1], rows[0]..rows[1], columns[0]..columns[1]])
    }

    /// The elements of a sample there, to be changed.
    #[must_use]
    pub fn slice_mut<'a>(&self, sample: &'a mut ArrayViewMut3<'_, f32>) -> ArrayViewMut3<'a, f32> {
        let Self { channels, rows, columns, .. } = *self;
        sample.slice_mut(s![channels[0]..channels[1], rows[0]..rows[1], columns[0]..columns[1]])
    }

    /// Share of the elements of a sample of this shape.
    #[must_use]
    pub fn share(&self, [channels, height, width]: [usize; 3]) -> f64 {
        let length = |[start, end]: [usize; 2]| (end - start) as f64;
        length(self.channels) * length(self.rows) * length(self.columns) / (channels * height * width).max(1) as f64
    }

    /// The box `[top, left, bottom, right]`, ends exclusive; none for regions that are no box.
    #[must_use]
    pub fn bounds(&self) -> Option<[i64; 4]> {
        let [top, bottom] = self.rows.map(|edge| edge as i64);
        let [left, right] = self.columns.map(|edge| edge as i64);
        self.is_box.then_some([top, left, bottom, right])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(side: f64, frame: Frame) -> Region {
        Region { side: Some(side), center: middle(), frame, ..Region::default() }
    }

    #[test]
    fn boxes_lie_in_the_middle_and_inside() {
        let place = square(0.5, Frame::Local).place([3, 8, 10], None);
        assert_eq!(place.bounds(), Some([2, 2, 6, 7]));
        assert_eq!(place.share([3, 8, 10]), 20.0 / 80.0);
        let corner = Region { center: [0.0, 1.0], ..square(0.5, Frame::Local) };
        assert_eq!(corner.place([3, 8, 10], None).bounds(), Some([0, 5, 4, 10]));
        assert_eq!(square(0.0, Frame::Local).place([3, 8, 8], None).share([3, 8, 8]), 0.0);
        assert_eq!(square(1.0, Frame::Local).place([3, 7, 7], None).share([3, 7, 7]), 1.0);
    }

    #[test]
    fn a_box_of_the_image_is_rounded_onto_the_grid() {
        let place = square(0.25, Frame::Project).place([16, 7, 7], Some([224, 224]));
        assert_eq!(place.bounds(), Some([3, 3, 4, 4]));
    }

    #[test]
    fn cells_and_groups_cover_everything_once() {
        let cell =
            |row, column| Region { grid: Some([4, 4]), row: Some(row), column: Some(column), ..Region::default() };
        let shape = [6, 7, 9];
        let shares = (0..16).map(|at| cell(at / 4, at % 4).place(shape, None).share(shape));
        assert!((shares.sum::<f64>() - 1.0).abs() < 1e-12);
        let group = |group| Region { groups: Some(4), group: Some(group), ..Region::default() };
        assert_eq!((0..4).map(|at| group(at).place(shape, None).share(shape)).sum::<f64>(), 1.0);
    }

    #[test]
    fn contradictions_are_told() {
        let both = Region { area: Some(0.5), ..square(0.5, Frame::Local) };
        assert!(both.check([3, 8, 8]).is_err());
        let far = Region { grid: Some([4, 4]), row: Some(4), column: Some(0), ..Region::default() };
        assert!(far.check([3, 8, 8]).unwrap_err().contains("`row` is 4"));
        assert!(
            Region { grid: Some([9, 9]), row: Some(0), column: Some(0), ..Region::default() }.check([3, 7, 7]).is_err()
        );
    }
}
