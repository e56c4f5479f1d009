//! What an operator acts on.

use crate::address::Rows;
use crate::registry::Entry;
use crate::shape::{Effects, Element, Layout, Shape, Values};

/// A part of a batch that an operator may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Images at the input.
    Images,
    /// Semantic masks, along with the images.
    Masks,
    /// Boxes and keypoints, along with the images.
    Objects,
    /// Labels, along with the images.
    Labels,
    /// Feature maps inside a model.
    Features,
}

impl Target {
    /// The word for it in tables and pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Target::Images => "images",
            Target::Masks => "masks",
            Target::Objects => "objects",
            Target::Labels => "labels",
            Target::Features => "feature maps",
        }
    }
}

const SIDE: usize = 32;

impl Entry {
    /// What the operator changes with its defaults, on the first usual shape that it accepts.
    #[must_use]
    pub fn effects(&self) -> Effects {
        let operator = self.default_operator();
        let shapes = at_input().into_iter().chain(in_model());
        let mut accepted = shapes.filter(|shape| operator.check(shape).is_ok());
        operator.effects(&accepted.next().unwrap_or_else(|| Shape::ragged(2)))
    }

    /// What the operator acts on with its defaults.
    ///
    /// `check` tells images and feature maps, and what it states the rest.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let operator = self.default_operator();
        let effects = self.effects();
        let resized = operator.rows() != Rows::Same;
        let pixels = effects.values != Values::Kept || effects.moves || effects.mixes || resized;
        let mut found = Vec::new();
        if pixels && at_input().iter().any(|shape| operator.check(shape).is_ok()) {
            found.push(Target::Images);
        }
        found.extend((effects.masks || resized).then_some(Target::Masks));
        found.extend((effects.objects || resized).then_some(Target::Objects));
        found.extend((effects.labels || resized).then_some(Target::Labels));
        // A step inside a model must keep the shape, and as many samples.
        if pixels && !resized && in_model().iter().any(|shape| operator.check(shape).as_ref() == Ok(shape)) {
            found.push(Target::Features);
        }
        found
    }
}

fn dense(element: Element, channels: usize, side: usize) -> Shape {
    let layout = Layout::Dense { height: side, width: side };
    Shape { layout, channels, element, classes: 2, image_size: None }
}

fn at_input() -> Vec<Shape> {
    let sizes = [224, SIDE].into_iter();
    let uniform = sizes.flat_map(|side| [Element::U8, Element::F32].map(|element| dense(element, 3, side)));
    std::iter::once(Shape::ragged(2)).chain(uniform).collect()
}

fn in_model() -> [Shape; 2] {
    [28, 7].map(|side| Shape { image_size: Some([224, 224]), ..dense(Element::F32, 64, side) })
}
