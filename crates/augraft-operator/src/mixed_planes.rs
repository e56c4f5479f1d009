//! How much the samples of a graph show of each other after one mixing.

use augraft_onnx::{DataType, Tensor, Value};

use crate::mix_graph::LoweredRegion;
use crate::mixing::{LabelRule, Mixing, Patch};
use crate::picture::length;
use crate::recorder::Recorder;
use std::rc::Rc;

/// A mixing of planes with these sides.
#[derive(Clone)]
pub(crate) struct Mixed<'g> {
    pub(crate) mixing: Rc<Mixing<Recorder<'g>>>,
    pub(crate) region: Option<LoweredRegion<'g>>,
    pub(crate) sides: [Value<'g>; 2],
    pub(crate) size: Option<[usize; 2]>,
}

impl<'g> Mixed<'g> {
    fn real(&self, value: f64) -> Value<'g> {
        self.sides[0].graph().constant(Tensor::scalar(value))
    }

    /// The partners and what they are weighed with, f64 `[N]`; the sample itself has the rest.
    pub(crate) fn shares(&self) -> Vec<(Value<'g>, Value<'g>)> {
        let patch = |patch: &Patch<Recorder<'g>>| Some((patch.partner?, Self::covered(patch) / self.total()));
        match &*self.mixing {
            Mixing::None | Mixing::Values { .. } => Vec::new(),
            Mixing::Paste(only) => patch(only).into_iter().collect(),
            Mixing::Collage(patches) => patches.iter().filter_map(patch).collect(),
            Mixing::Blend { lam, partner } => vec![(*partner, self.real(1.0) - lam.cast(DataType::F64))],
            Mixing::Region { partner, .. } => {
                self.region.map(|region| (*partner, region.share())).into_iter().collect()
            }
        }
    }

    /// Pixels of a rectangle, f64 `[N]`.
    fn covered(patch: &Patch<Recorder<'g>>) -> Value<'g> {
        let [top, left, bottom, right] = patch.edges;
        let side = |from: Value<'g>, to: Value<'g>| length((to - from).cast(DataType::F64));
        side(top, bottom) * side(left, right)
    }

    fn total(&self) -> Value<'g> {
        let [height, width] = self.sides;
        match (height * width).constant_int() {
            Some(total) => self.real(total as f64),
            None => height.cast(DataType::F64) * width.cast(DataType::F64),
        }
    }

    /// The weight of the sample itself, f64 `[N]`.
    pub(crate) fn own(&self, shares: &[(Value<'g>, Value<'g>)]) -> Value<'g> {
        let left = |patches: &[Patch<Recorder<'g>>]| {
            let brought = patches.iter().filter(|patch| patch.partner.is_some());
            brought.fold(self.total(), |left, patch| left - Self::covered(patch)) / self.total()
        };
        match &*self.mixing {
            Mixing::Blend { lam, .. } => lam.cast(DataType::F64),
            Mixing::Paste(patch) => left(std::slice::from_ref(patch)),
            Mixing::Collage(patches) => left(patches),
            _ => shares.iter().fold(self.real(1.0), |rest, (_, share)| rest - *share),
        }
    }

    /// The weight of the sample's own label by a rule, f64 `[N]`.
    pub(crate) fn weight(&self, rule: LabelRule, nominal: Option<Value<'g>>) -> Value<'g> {
        let shares = self.shares();
        let own = nominal.map_or_else(|| self.own(&shares), |nominal| nominal.cast(DataType::F64));
        match rule {
            LabelRule::Area | LabelRule::VisibleMask => own,
            LabelRule::OneHot => own.less(self.real(0.5)).select(self.real(0.0), self.real(1.0)),
            LabelRule::Complete => {
                let mixed = shares.iter().fold(self.real(0.0), |sum, (_, share)| sum + *share);
                self.real(0.0).less(mixed).select(self.real(0.5), self.real(1.0))
            }
        }
    }

    /// Position of the partner, int64 `[N]`.
    pub(crate) fn partner(&self) -> Option<Value<'g>> {
        match &*self.mixing {
            Mixing::None => None,
            Mixing::Paste(patch) => patch.partner,
            Mixing::Collage(patches) => patches.iter().find_map(|patch| patch.partner),
            Mixing::Blend { partner, .. } | Mixing::Region { partner, .. } | Mixing::Values { partner, .. } => {
                Some(*partner)
            }
        }
    }

    /// How many other samples a sample may show.
    pub(crate) fn partners(&self) -> usize {
        match &*self.mixing {
            Mixing::None | Mixing::Values { .. } => 0,
            Mixing::Collage(patches) => patches.iter().filter(|patch| patch.partner.is_some()).count(),
            Mixing::Paste(_) | Mixing::Blend { .. } | Mixing::Region { .. } => 1,
        }
    }

    pub(crate) fn is_blend(&self) -> bool {
        matches!(&*self.mixing, Mixing::Blend { .. })
    }
}
