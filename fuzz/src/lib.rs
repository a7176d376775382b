//! Fuzz targets: every parser of text from outside Plumbline.
//!
//! A [`targets::Target`] takes bytes and checks properties of its parser for any bytes. [`run`] feeds it mutated
//! seeds for a time, and reports the input that makes it panic, breaks a property, or takes too long. Seeds are the
//! suites' own files, and those in `fuzz/seeds`. It works with a stable compiler. `make soak` runs each target longer.

mod mutate;
mod properties;
mod run;
mod seeds;
pub mod targets;

pub use run::{Crash, Outcome, run};
