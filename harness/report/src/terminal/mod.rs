//! The terminal: results to standard output, progress to standard error.
//!
//! [`reporter`] reads events. [`progress`] shows what runs meanwhile: a live line for each running step on a
//! terminal, plain lines elsewhere and in CI. One line per step with its time in both.

mod progress;
mod reporter;

pub use reporter::{ColourChoice, Settings, Terminal};
