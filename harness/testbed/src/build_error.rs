//! The error of builds and of the cache.

use crate::error::TestbedError;
use crate::exec::ExecError;
use std::error::Error;

/// The result of builds and of the cache.
pub type Result<T, E = BuildError> = std::result::Result<T, E>;

/// The reason why a build or a use of the cache failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An operation failed because of another error.
    #[error("{what}: {source}")]
    Failed {
        /// The operation.
        what: String,
        /// Its error.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A recipe, a pin, a hash or a file is wrong: a message.
    #[error("{0}")]
    Refused(String),
    /// A file could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A text is not the expected JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A command failed.
    #[error("{0}")]
    Exec(#[from] ExecError),
    /// Another part of the testbed is at fault.
    #[error("{0}")]
    Testbed(#[from] TestbedError),
}

/// Names the operation that failed.
pub(crate) trait Context<T> {
    /// Adds the operation's name to the error.
    fn context(self, what: impl Into<String>) -> Result<T>
    where
        Self: Sized,
    {
        self.with_context(|| what.into())
    }

    /// The same, with a name that is created only for an error.
    fn with_context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn with_context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| BuildError::Failed { what: what(), source: error.into() })
    }
}

impl<T> Context<T> for Option<T> {
    fn with_context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.ok_or_else(|| BuildError::Refused(what()))
    }
}

/// Returns from a function with [`BuildError::Refused`].
macro_rules! refuse {
    ($($text:tt)*) => { return Err($crate::build_error::BuildError::Refused(format!($($text)*))) };
}
pub(crate) use refuse;
