//! What an operator acts on.

use ndarray::Array4;

use crate::batch::{Batch, Element, Images, Masks, Scratch, Transfer};
use crate::key::StepKey;
use crate::labels::Labels;
use crate::operator::AnyOperator;
use crate::registry::Entry;
use crate::shape::{Layout, Role, Shape};

/// A part of a batch that an operator may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Images at the input.
    Images,
    /// Semantic masks, along with the images.
    Masks,
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
            Target::Labels => "labels",
            Target::Features => "feature maps",
        }
    }
}

/// Samples and epochs that are drawn to see whether masks and labels change.
const TRIED: (usize, u32) = (8, 8);
const SIDE: usize = 32;

impl Entry {
    /// What the operator acts on with its defaults.
    ///
    /// `check` tells images and feature maps; masks follow what moves pixels, and an operator that mixes is tried out on masks and labels.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let operator = self.default_operator();
        let mut found = Vec::new();
        if at_input().iter().any(|shape| operator.check(shape).is_ok()) {
            found.push(Target::Images);
        }
        match self.role {
            Role::Geometry => found.push(Target::Masks),
            Role::Mix => found.extend(mixed(&*operator)),
            Role::Color | Role::Erase => {}
        }
        // A step inside a model must keep the shape.
        if in_model().iter().any(|shape| operator.check(shape).as_ref() == Ok(shape)) {
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

/// Which of masks and labels an operator changes that mixes samples.
fn mixed(operator: &dyn AnyOperator) -> Vec<Target> {
    let shapes = [Element::U8, Element::F32].map(|element| dense(element, 3, SIDE));
    let Some(shape) = shapes.iter().find(|shape| operator.check(shape).is_ok()) else { return Vec::new() };
    let before = batch(shape.element);
    let (mut masks, mut labels) = (false, false);
    for epoch in 0..TRIED.1 {
        let mut after = before.clone();
        let draws = operator.draw(&StepKey::new(0, operator.name()), epoch, &after);
        if operator.apply(&draws, &mut after, &mut Scratch::default()).is_ok() {
            masks |= after.masks != before.masks;
            labels |= after.labels.soft != before.labels.soft;
        }
    }
    [(masks, Target::Masks), (labels, Target::Labels)]
        .into_iter()
        .filter_map(|(is, target)| is.then_some(target))
        .collect()
}

/// Samples that differ in every pixel, in two classes.
fn batch(element: Element) -> Batch {
    let (samples, classes) = (TRIED.0, 2);
    let value = |(row, channel, y, x): (usize, usize, usize, usize)| (row * 29 + channel * 7 + y * 5 + x * 3) as u8;
    let images = match element {
        Element::U8 => Images::U8(Array4::from_shape_fn([samples, 3, SIDE, SIDE], value)),
        Element::F32 => Images::F32(Array4::from_shape_fn([samples, 3, SIDE, SIDE], |at| f32::from(value(at)) / 255.0)),
    };
    let ids = Array4::from_shape_fn([samples, 1, SIDE, SIDE], |(row, ..)| (row % classes) as u8);
    let index: Vec<u64> = (0..samples as u64).collect();
    let of_samples: Vec<Option<usize>> = (0..samples).map(|row| Some(row % classes)).collect();
    Batch {
        images,
        labels: Labels::one_hot(&of_samples, classes, &index),
        masks: Some(Masks { images: Images::U8(ids), classes }),
        index,
        transfer: vec![Transfer::IDENTITY; 3],
        image_size: None,
    }
}
