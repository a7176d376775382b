//! Why a request fails, why the agent ends, and the exit codes.
//!
//! Exit codes are those of the whole product: 0 success, 2 usage, 3 the host does not allow it, 5 a defect of the agent.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use plumbline_core::protocol::{Fault, Outcome, Reply};
use thiserror::Error;

/// Exit code of success.
pub const EXIT_SUCCESS: u8 = 0;
/// Exit code when the host does not allow what the agent needs.
pub const EXIT_UNABLE: u8 = 3;
const EXIT_USAGE: u8 = 2;
const EXIT_DEFECT: u8 = 5;

/// What went wrong below an action: a typed error, or a text.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why the agent ends.
#[derive(Debug, Error)]
pub enum EndError {
    /// The command line is wrong; the text says how to write it.
    #[error("{0}")]
    Usage(String),
    /// The host does not allow it. The agent prints it as a fault with number 0, because no request was read yet.
    #[error("{action}: {cause}")]
    Unable {
        /// What the agent tried.
        action: String,
        /// What the host refused.
        #[source]
        cause: Cause,
    },
    /// The lane closed standard input or standard output.
    #[error("the lane closed the connection")]
    HungUp,
    /// A defect of the agent, or a state that it cannot continue from.
    #[error("{0}")]
    Internal(String),
}

impl From<io::Error> for EndError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::HungUp,
            _ => Self::Internal(error.to_string()),
        }
    }
}

/// Why a request failed.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The agent cannot do it. The reply is a fault, and the agent reads the next request.
    #[error("{action}: {cause}")]
    Fault {
        /// What the agent was doing.
        action: String,
        /// What went wrong.
        #[source]
        cause: Cause,
        /// Whether the object of the request no longer exists.
        gone: bool,
    },
    /// The agent ends.
    #[error(transparent)]
    End(#[from] EndError),
}

/// A request failed with this action and cause.
pub fn fault(action: impl Into<String>, cause: impl Into<Cause>) -> RequestError {
    RequestError::Fault { action: action.into(), cause: cause.into(), gone: false }
}

/// A request failed because its object no longer exists.
pub fn gone(action: impl Into<String>, cause: impl Into<Cause>) -> RequestError {
    RequestError::Fault { action: action.into(), cause: cause.into(), gone: true }
}

/// Adds to any error what the agent was doing.
pub trait During<T> {
    /// Names the action.
    ///
    /// # Errors
    /// The error as a fault.
    fn during(self, action: impl Into<String>) -> Result<T, RequestError>;
}

impl<T, E: Into<Cause>> During<T> for Result<T, E> {
    fn during(self, action: impl Into<String>) -> Result<T, RequestError> {
        self.map_err(|error| fault(action, error))
    }
}

/// Writes one line to standard output.
///
/// # Errors
/// [`EndError::HungUp`] when the other end is closed.
pub fn print_line(line: &str) -> Result<(), EndError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Turns the result of a mode into the exit code. Prints a refusal of the host as a fault on standard output, and every
/// error but a closed connection on standard error.
pub fn exit_code(result: Result<u8, EndError>) -> ExitCode {
    let error = match result {
        Ok(code) => return ExitCode::from(code),
        Err(EndError::HungUp) => return ExitCode::from(EXIT_SUCCESS),
        Err(error) => error,
    };
    let text = error.to_string();
    let code = match error {
        EndError::Usage(_) => EXIT_USAGE,
        EndError::Unable { action, cause } => {
            let fault = Fault { doing: action, cause: cause.to_string(), gone: false };
            let reply = Reply { id: 0, outcome: Outcome::Fault(fault) };
            let _ = serde_json::to_string(&reply).map(|line| print_line(&line));
            EXIT_UNABLE
        }
        EndError::HungUp | EndError::Internal(_) => EXIT_DEFECT,
    };
    let _ = writeln!(io::stderr(), "plumbline-agent: {text}");
    ExitCode::from(code)
}
