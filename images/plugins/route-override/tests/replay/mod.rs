//! The parts of the replay: the recording, the private node, and the comparison.

pub mod compare;
pub mod node;
pub mod recording;
