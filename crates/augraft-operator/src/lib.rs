//! The plugin API of augraft: batches, shapes, dice, draws and operators.
//!
//! An operator decides everything random in `draw`, which is written once over [`Dice`] and runs natively or becomes ONNX nodes. This crate knows
//! no YAML, does no input or output, and runs no model.

mod batch;
mod dice;
mod draws;
mod gate;
mod key;
mod labels;
mod lowered;
mod mask;
mod operator;
mod partner;
mod philox;
mod recorded_words;
mod recorder;
mod rectangle;
mod registry;
mod scalar;
mod shape;
mod table;
mod targets;
mod values;

pub use batch::{Batch, Buffers, Element, Images, Masks, Pooled, Scratch, Transfer, parallel, sample_of, view_of};
pub use dice::{Dice, Extent};
pub use draws::{Draw, Draws, Field, Fixed, Kind};
pub use gate::{Gate, Ramp};
pub use inventory;
pub use key::{LANES, MAX_CELLS, MAX_VIEWS, StepKey, step_hash};
pub use labels::{Labels, Mirror, Rectangle};
pub use lowered::{Lowered, LoweredLabels, LoweredMasks};
pub use mask::box_mask;
pub use operator::{AnyOperator, Operator, Rows};
pub use partner::Partner;
pub use philox::{PhiloxRng, philox4x32};
pub use recorder::{Recorder, Recording};
pub use rectangle::{Aspects, start_within};
pub use registry::{Entry, Macro, Registry, first_paragraph};
pub use scalar::{BatchDice, Row, Scalar};
pub use shape::{Issue, Layout, Parity, Role, Shape};
pub use table::{Alpha, Table};
pub use targets::Target;
pub use values::{Count, Deviation, Fill, Frame, Margin, MixMode, Mode, PositiveRange, Probability, Scope, Side, Size};

/// Sampling per pixel: the distributions of `rand_distr`, to be fed by a [`PhiloxRng`].
pub use rand_distr;

/// The graph builder that `lower` writes to.
pub use augraft_onnx::{
    DataType, Graph, Side as GraphSide, Tensor, Value, int_attribute, ints_attribute, text_attribute,
};
