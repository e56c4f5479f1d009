//! Tests of augraft-data on files made in temporary folders, and on real data where `AUGRAFT_SHARED` names a folder.

mod annotations;
mod batches;
mod decode;
mod errors;
mod make;
mod order;
mod real;
mod sources;
mod write;
