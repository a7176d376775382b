//! The library face: a lane opened once, scenarios staged on it, observed and judged, and always taken down.
//!
//! Clean-up belongs to the scope ([`Bench::with`]), not to a line that `?` can jump over.

mod bench;
mod seen;

pub use bench::{Bench, Staged};
pub use seen::{Judged, Seen};
