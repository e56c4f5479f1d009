//! The plugin API: what an operator is, and the face that the rest of the system sees.

use std::fmt::Debug;
use std::sync::Arc;

use augraft_onnx::Value;
use ndarray::ArrayViewMut3;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::Rows;
use crate::batch::Batch;
use crate::dice::{Dice, Extent};
use crate::draws::Draw;
use crate::images::Images;
use crate::lowered::Lowered;
use crate::mix_graph::LoweredRegion;
use crate::mixing::{Label, Mixing, Region};
use crate::motion::Motion;
use crate::pixel::Pixel;
use crate::recorder::Recorder;
use crate::scalar::Row;
use crate::scratch::Scratch;
use crate::shape::{Issue, Parity, Shape, Values};

/// A transformation of a batch: `check` (shapes), `draw` (all randomness), and what becomes of the pixels.
///
/// What becomes of the pixels is stated as a [`motion`](Self::motion) (which pixel of the input each one shows) and a [`mixing`](Self::mixing) (what is
/// taken from a partner), which images, masks, labels and graphs follow; or it is computed, by [`apply`](Self::apply) natively and by
/// [`lower`](Self::lower) in ONNX, where values change in place. First values change, then samples mix, then pixels move.
///
/// The type is the YAML configuration of the step; its doc comment is the reference page. Pixels and labels are a function of
/// (configuration, draw, input), the same in every backend.
pub trait Operator: Debug + Default + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Name in YAML, in `snake_case`.
    const NAME: &'static str;
    /// Version of augraft that brought it.
    const SINCE: &'static str;
    /// How closely the backends agree.
    const PARITY: Parity;
    /// What `change` and `apply` do to values; `change` is only called where it is not `Kept`.
    const VALUES: Values = Values::Kept;
    /// What `compat: NAME` sets: names of reference libraries with their options as JSON, which options beside `compat` win over.
    const PRESETS: &'static [(&'static str, &'static str)] = &[];
    /// Former names, with the options that each stood for as JSON, which options that are given win over.
    const ALIASES: &'static [(&'static str, &'static str)] = &[];
    /// What one draw decides.
    type Draw<D: Dice>: Draw<D>;

    /// How the number of samples changes.
    fn rows(&self) -> Rows {
        Rows::Same
    }

    /// Predicts the shape after the step.
    ///
    /// # Errors
    /// Says why the step cannot work on `shape`.
    fn check(&self, shape: &Shape) -> Result<Shape, Issue>;

    /// Decides everything random for one sample of size `extent`.
    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Self::Draw<D>;

    /// Says which pixel of its input each pixel of a sample shows; `dice` computes and draws nothing.
    fn motion<D: Dice>(&self, dice: D, draw: &Self::Draw<D>, extent: &Extent<D>) -> Motion<D> {
        let _ = (dice, draw, extent);
        Motion::Stay
    }

    /// Says what a sample takes from a partner; `dice` computes and draws nothing.
    fn mixing<D: Dice>(&self, dice: D, draw: &Self::Draw<D>, extent: &Extent<D>) -> Mixing<D> {
        let _ = (dice, draw, extent);
        Mixing::None
    }

    /// Says how the label of a mixed sample is weighed; by default it is the share of the visible pixels.
    fn label<D: Dice>(&self, draw: &Self::Draw<D>) -> Label<D> {
        let _ = draw;
        Label::SHARE
    }

    /// The rectangles `[top, left, bottom, right]` whose content is gone; by default the boxes that an operator draws which erases.
    fn erases<D: Dice>(&self, draw: &Self::Draw<D>) -> Vec<[D::Int; 4]> {
        if Self::VALUES == Values::Erased { draw.boxes() } else { Vec::new() }
    }

    /// Factor and summand of every class weight, for an operator that changes labels alone.
    fn smoothing(&self, classes: usize) -> Option<[f32; 2]> {
        let _ = classes;
        None
    }

    /// The regions of [`Mixing::Region`], one for each sample, from the draws and the images before the step.
    fn regions(&self, draws: &[Self::Draw<Row>], images: &Images) -> Vec<Arc<Region>> {
        let _ = (draws, images);
        Vec::new()
    }

    /// The same as ONNX nodes.
    ///
    /// # Errors
    /// When this shape has no ONNX form.
    fn lower_region<'g>(
        &self,
        draw: &Self::Draw<Recorder<'g>>,
        batch: &Lowered<'g>,
    ) -> Result<Option<LoweredRegion<'g>>, Issue> {
        let _ = (draw, batch);
        Ok(None)
    }

    /// Changes the values of one sample (channels, rows, columns) whose draw acts, for an operator that changes each sample alone.
    fn change<T: Pixel>(&self, draw: &Self::Draw<Row>, image: &mut ArrayViewMut3<'_, T>) {
        let _ = (draw, image);
    }

    /// Writes the same change as ONNX nodes: new images; drawn numbers have the shape `[N,1,1,1]`, and only samples whose draw acts are changed.
    ///
    /// # Errors
    /// When the operator or this shape has no ONNX form.
    fn lower_change<'g>(
        &self,
        draw: &Self::Draw<Recorder<'g>>,
        batch: &Lowered<'g>,
    ) -> Result<Option<Value<'g>>, Issue> {
        let _ = (draw, batch);
        Ok(None)
    }

    /// Changes the values of a batch, in place where it can, for an operator that needs all samples at once; one draw per sample.
    fn apply(&self, draws: &[Self::Draw<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        let _ = (draws, batch, scratch);
    }

    /// Writes what [`apply`](Self::apply) does as ONNX nodes.
    ///
    /// # Errors
    /// When the operator or this shape has no ONNX form.
    fn lower<'g>(&self, draw: &Self::Draw<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let _ = draw;
        Ok(batch)
    }

    /// Whether a draw should change the values of sample `row`: then an unchanged tensor is a defect. What is stated as motion and mixing is known.
    fn acts(&self, row: usize, draw: &Self::Draw<Row>) -> bool {
        let _ = (row, draw);
        false
    }
}
