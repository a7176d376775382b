//! The list of lanes: one line each.

use crate::lane::Lane;
use plumbline_testbed::journal::Undo;

/// Every lane there is, in the order in which `make run` shows them.
#[must_use]
pub fn lanes() -> Vec<Box<dyn Lane>> {
    vec![Box::new(crate::netns::NetnsLane), Box::new(crate::vm::VmLane), Box::new(crate::kind::KindLane)]
}

/// Those who can undo what the lanes make, for the end of a run and for `gc`.
#[must_use]
pub fn undoers() -> Vec<Box<dyn Undo>> {
    vec![Box::new(crate::cluster::KubeUndo), Box::new(crate::chain::ChainUndo)]
}
