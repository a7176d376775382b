//! The parts of the replay: what was recorded, the private node it is played in, and the comparison.

pub mod compare;
pub mod node;
pub mod recording;
