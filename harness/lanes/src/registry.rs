//! The list of lanes: one line each.

use crate::lane::Lane;

/// Every lane there is, in the order in which `make run` shows them.
#[must_use]
pub fn lanes() -> Vec<Box<dyn Lane>> {
    vec![]
}
