//! Why something could not be built or kept in the cache.

use crate::error::TestbedError;
use crate::exec::ExecError;
use std::error::Error;

/// What building and caching give.
pub type Result<T, E = BuildError> = std::result::Result<T, E>;

/// Why something could not be built or kept in the cache.
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
    /// A recipe, a pin, a hash or a file is not as it must be: what it is.
    #[error("{0}")]
    Refused(String),
    /// A file could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A text is not the JSON that it must be.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A command gave nothing usable.
    #[error("{0}")]
    Exec(#[from] ExecError),
    /// Another part of the testbed is at fault.
    #[error("{0}")]
    Testbed(#[from] TestbedError),
}

/// Names the operation that failed.
pub(crate) trait Context<T> {
    /// The same with the operation's name.
    fn context(self, what: impl Into<String>) -> Result<T>;
    /// The same, with a name that is only made where it is needed.
    fn with_context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.with_context(|| what.into())
    }

    fn with_context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| BuildError::Failed { what: what(), source: error.into() })
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.with_context(|| what.into())
    }

    fn with_context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.ok_or_else(|| BuildError::Refused(what()))
    }
}

/// Returns from a function with [`BuildError::Refused`].
macro_rules! refuse {
    ($($text:tt)*) => { return Err($crate::build_error::BuildError::Refused(format!($($text)*))) };
}
pub(crate) use refuse;
