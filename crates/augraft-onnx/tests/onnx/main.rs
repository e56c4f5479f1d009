//! Tests on hand-made graphs, on hostile bytes, and on real models where they are at hand.

mod cutting;
mod external;
mod fixtures;
mod freeing;
mod fuzzing;
mod grafting;
mod heads;
mod hostile;
mod raising;
mod reading;
mod real;
mod siting;
