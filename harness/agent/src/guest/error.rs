//! The error of a step of the init, and the console.

use std::io::{self, Write};
use std::num::ParseIntError;

use thiserror::Error;

use crate::node::mounts::SetupError;

/// A step of the init that failed.
#[derive(Debug, Error)]
pub enum GuestError {
    /// A mount or folder.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A setting on the kernel's command line.
    #[error("kernel command line: {word}: {source}")]
    Setting {
        /// The setting.
        word: String,
        /// What is wrong with its number.
        source: ParseIntError,
    },
    /// Modules that the kernel does not have.
    #[error("this kernel has no module {0}")]
    NoModule(String),
    /// A device that did not appear in time.
    #[error("{what} did not appear within {seconds} s")]
    Timeout {
        /// The device.
        what: String,
        /// How long the init waited.
        seconds: u64,
    },
    /// Any other step.
    #[error("{action}: {source}")]
    Io {
        /// The step.
        action: String,
        /// What the system gives.
        source: io::Error,
    },
}

impl GuestError {
    /// The step and what the system gives.
    pub fn io(action: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io { action: action.into(), source: source.into() }
    }
}

/// Prints a line on the console.
pub fn print_on_console(line: &str) {
    let _ = writeln!(io::stderr(), "plumbline-agent guest: {line}");
}
