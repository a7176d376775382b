//! The error of a step of the init, and the console.

use std::io::{self, Write};

use thiserror::Error;

use crate::error::Cause;
use crate::node::mounts::SetupError;

/// A step of the init that failed.
#[derive(Debug, Error)]
pub enum GuestError {
    /// A mount or folder.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Any other step.
    #[error("{action}: {cause}")]
    Failed {
        /// The step.
        action: String,
        /// What went wrong.
        #[source]
        cause: Cause,
    },
}

impl GuestError {
    /// The step and its error.
    pub fn new(action: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self::Failed { action: action.into(), cause: cause.into() }
    }
}

/// Prints a line on the console.
pub fn print_on_console(line: &str) {
    let _ = writeln!(io::stderr(), "plumbline-agent guest: {line}");
}
