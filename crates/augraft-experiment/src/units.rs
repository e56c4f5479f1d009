//! Which images make which unit.

use augraft_data::Permutation;

use crate::plan::{ExperimentPlan, SetPlan, SetSource};

/// One unit: an image, and the partner of a pair, by their places in the walk through the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Number in its set.
    pub(crate) number: u64,
    /// Place of the partner in the walk.
    pub(crate) partner: Option<u64>,
}

/// The order in which images are visited: as they come, or for pairs one keyed permutation behind the other.
pub(crate) struct Walk<'p> {
    set: &'p SetPlan,
    is_data: bool,
    seed: u64,
    distinct_class: Option<bool>,
}

impl<'p> Walk<'p> {
    /// The walk through a set.
    #[must_use]
    pub(crate) fn new(plan: &'p ExperimentPlan, set: usize) -> Self {
        Self {
            set: &plan.sets[set],
            is_data: set == 0,
            seed: plan.seed,
            distinct_class: plan.pairs.map(|pairs| pairs.distinct_class),
        }
    }

    /// Whether it is through the data of the file, whose classes are the model's.
    #[must_use]
    pub(crate) fn is_data(&self) -> bool {
        self.is_data
    }

    /// Index in the data of the image at a place; none behind the last image where there are no pairs.
    #[must_use]
    pub(crate) fn at(&self, place: u64) -> Option<u64> {
        let images = self.set.order.len() as u64;
        if self.distinct_class.is_none() || images == 0 {
            return self.set.order.get(place as usize).copied();
        }
        let order = Permutation::new(images, self.seed, place / images);
        self.set.order.get(order.at(place % images) as usize).copied()
    }

    /// The class of an image.
    #[must_use]
    pub(crate) fn label(&self, image: u64) -> Option<usize> {
        match &self.set.source {
            SetSource::Data(dataset) => dataset.label(image as usize),
            SetSource::Noise(_) => None,
        }
    }

    /// The unit of a number: its image stands at the place of that number, its partner is the next image that fits.
    #[must_use]
    pub(crate) fn unit(&self, number: u64) -> Unit {
        let Some(distinct_class) = self.distinct_class else { return Unit { number, partner: None } };
        let own = self.at(number);
        let fits = |place: &u64| {
            let other = self.at(*place);
            let same_class = || other.and_then(|image| self.label(image)) == own.and_then(|image| self.label(image));
            other != own && !(distinct_class && same_class())
        };
        let bound = number + 1 + 4 * self.set.order.len() as u64;
        Unit { number, partner: (number + 1..bound).find(fits) }
    }
}
