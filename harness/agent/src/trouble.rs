//! What stops a request: a fault that is told to the lane, or the end of the agent itself.

use std::fmt::Display;

use plumbline_core::protocol::Fault;
use plumbline_netlink::Errno;

use crate::exit::Failure;

/// Why a request was not done.
#[derive(Debug)]
pub enum Trouble {
    /// The request failed; the lane is told and the talk goes on.
    Fault(Fault),
    /// The talk is over.
    End(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::End(failure)
    }
}

/// A fault that says what was being done and what went wrong.
pub fn fault(doing: impl Into<String>, cause: impl Display) -> Trouble {
    Trouble::Fault(Fault { doing: doing.into(), cause: format!("{cause:#}"), gone: false })
}

/// A fault that says that the thing asked about is not there any more.
pub fn gone(doing: impl Into<String>, cause: impl Display) -> Trouble {
    Trouble::Fault(Fault { doing: doing.into(), cause: format!("{cause:#}"), gone: true })
}

/// Turns any error into a fault.
pub trait Doing<T> {
    /// Names what was being done.
    ///
    /// # Errors
    /// The error as a fault.
    fn doing(self, what: impl Into<String>) -> Result<T, Trouble>;
}

impl<T, E: Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T, Trouble> {
        self.map_err(|error| fault(what, error))
    }
}

/// Whether the errno of a namespace that could not be opened or entered says that it is gone: no such file, or a file
/// that is no namespace (the mount point that stays behind when the namespace was unmounted, `setns(2)`).
#[must_use]
pub fn says_gone(error: &plumbline_netlink::Error) -> bool {
    error.is(Errno::ENOENT) || error.is(Errno::EINVAL)
}
