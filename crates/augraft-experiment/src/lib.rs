//! Inference-time experiments on ONNX classifiers: operators at sites, a metric, a sweep.
//!
//! ```text
//! section `experiment` --prepare--> ExperimentPlan --Executor, chunk by chunk--> rows --> summary, charts, report
//! ```
//! There is one algebra and no program for any one experiment: acts ([`Act`]) change the tensor at a place and may take from the clean run or from a
//! partner, a sweep makes settings of them, every setting gives a [`Row`] for every unit, and metrics are functions of rows. Saliency maps are sweeps
//! whose answers are folded into a map.

mod acts;
mod charts;
mod compare;
mod cost;
mod doctor;
mod error;
mod execute;
mod explain;
mod measure;
mod metric;
pub mod metrics;
mod picture;
mod plan;
mod prepare;
mod region;
mod report;
mod results;
mod rows;
mod run;
mod saliency;
mod spec;
mod store;
mod summary;
mod table;
mod units;

pub use acts::{Act, OwnAct};
pub use compare::{Comparison, compare};
pub use cost::{Cost, bytes};
pub use doctor::write_doctor;
pub use error::ExperimentError;
pub use execute::Executor;
pub use metric::Metric;
pub use plan::{ExperimentPlan, OpenData, Parts, SetPlan, Setting};
pub use prepare::prepare;
pub use region::Region;
pub use results::Results;
pub use run::{Finished, OnProgress, RunOptions, run, unfinished};
pub use spec::{ChartFields, ExperimentFields};
pub use summary::{Cell, Summary, shown};
pub use table::{Chunk, Row};
