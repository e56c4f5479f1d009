//! The plugin API of augraft: batches, shapes, dice, draws and operators.
//!
//! An operator decides everything random in `draw`, which is written once over [`Dice`] and runs natively or becomes ONNX nodes. This crate knows
//! no YAML, does no input or output, and runs no model.

mod address;
mod any_operator;
mod batch;
mod blended_planes;
mod border;
mod bounds;
mod cells;
mod counter;
mod cycles;
mod dice;
mod draws;
mod gate;
mod homography;
mod images;
mod kernels;
mod key;
mod labels;
mod lowered;
mod lowered_labels;
mod lowered_objects;
mod mask;
mod mix_graph;
mod mix_images;
mod mixed_planes;
mod mixing;
mod modes;
mod motion;
mod move_graph;
mod move_images;
mod numbers;
mod object_rules;
mod object_shares;
mod object_values;
mod objects;
mod operator;
mod partner;
mod philox;
mod picture;
mod pieces;
mod pixel;
mod place_noise;
mod provenance;
mod recorded_words;
mod recorder;
mod rectangle;
mod registry;
mod resample;
mod resample_floats;
mod resample_graph;
mod runs;
mod scalar;
mod schema;
mod scratch;
mod shape;
mod spline;
mod table;
mod take_graph;
mod taps;
mod targets;
mod warp;
mod warp_graph;

pub use address::{MAX_VIEWS, Rows, sample_of, view_of};
pub use any_operator::AnyOperator;
pub use batch::{Batch, Masks, Transfer};
pub use border::PaddingMode;
pub use bounds::{Bounds, Rectangle};
pub use counter::MAX_CELLS;
pub use dice::{Dice, Extent};
pub use draws::{Column, Draw, Draws, Field, Fixed, Kind, Meaning};
pub use gate::{Gate, Ramp};
pub use images::Images;
pub use inventory;
pub use key::{StepKey, step_hash};
pub use labels::Labels;
pub use lowered::{Lowered, LoweredMasks};
pub use lowered_labels::LoweredLabels;
pub use mask::box_mask;
pub use mix_graph::LoweredRegion;
pub use mixing::{Label, LabelRule, Mixing, Patch, Region, Shows};
pub use modes::{MixMode, Mode};
pub use motion::{Affine, Cells, Displaced, Motion, Outside, Projective, Stretched, Window, WindowSize};
pub use move_images::IGNORE;
pub use numbers::{Count, Deviation, Fill, Frame, Margin, PositiveRange, Probability, Scope, Side, Size};
pub use object_rules::{ObjectRules, OnDrop, Seen};
pub use object_values::{LoweredObjects, ObjectInputs, ObjectOutputs};
pub use objects::{Keypoint, Object, Objects};
pub use operator::Operator;
pub use partner::Partner;
pub use philox::{PhiloxRng, philox4x32};
pub use picture::{positions, whole_quotient};
pub use pixel::Pixel;
pub use place_noise::{
    channel_words, draw_stream, lower_channel_words, lower_pixel_places, lower_place_words, lower_word_byte,
    lower_word_normal, lower_word_unit, place_words, word_byte, word_normal, word_unit,
};
pub use recorder::{Recorder, Recording};
pub use rectangle::{Aspects, start_within};
pub use registry::{Entry, Macro, Registry};
pub use resample::{Resampled, resampled};
pub use runs::Runs;
pub use scalar::{BatchDice, Row, Scalar};
pub use schema::first_paragraph;
pub use scratch::{Buffers, Pooled, Scratch, parallel};
pub use shape::{Effects, Element, Issue, Layout, Parity, Shape, Values};
pub use table::{Alpha, Table};
pub use taps::{Filter, Interpolation};
pub use targets::Target;
pub use warp::{Map, Sampling};

/// The crates that operators are written with, in the versions that fit.
pub use {ndarray, schemars, serde};

/// Sampling per pixel: the distributions of `rand_distr`, to be fed by a [`PhiloxRng`].
pub use rand_distr;

/// The graph builder that `lower` writes to.
pub use augraft_onnx::{DataType, Graph, Tensor, Value, int_attribute, ints_attribute, text_attribute};
