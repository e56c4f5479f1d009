//! Tests of the whole program that share one binary.

mod agreement;
mod annotations;
mod chains;
mod conformance;
mod docs;
mod exports;
mod golden;
mod keypoints;
mod masks;
mod mixed_objects;
mod models;
mod objects;
mod program;
mod reference;
mod statistics;
