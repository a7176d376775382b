//! The terminal: results to standard output, progress to standard error.
//!
//! [`reporter`] reads events; [`progress`] is what is shown meanwhile: a live line per thing that runs on a
//! terminal, plain lines elsewhere and in CI. One line per step with its time in both.

mod progress;
mod reporter;

pub use reporter::{ColourChoice, Settings, Terminal};
