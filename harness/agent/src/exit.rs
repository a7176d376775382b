//! How the agent ends: exit codes, and the fault that is told before it.
//!
//! Codes as everywhere in Plumbline: 0 done, 2 usage, 3 the host is unable, 5 a defect of the agent.

use std::io::Write;
use std::process::ExitCode;

use plumbline_core::protocol::{Fault, Outcome, Reply};

/// All went well.
pub const DONE: u8 = 0;
/// The host does not allow what is needed.
pub const UNABLE: u8 = 3;

/// Why the agent ends early.
#[derive(Debug)]
pub enum Failure {
    /// The command line was wrong; the text says how it should be.
    Usage(String),
    /// The host does not allow it. Told as a fault with number 0 on standard output, since nobody asked yet.
    Unable(Fault),
    /// The lane hung up (end of standard input), or its end of standard output is closed.
    HungUp,
    /// Anything else.
    Internal(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::HungUp,
            _ => Self::Internal(error.to_string()),
        }
    }
}

/// Writes one line on standard output.
///
/// # Errors
/// [`Failure::HungUp`] when nobody reads it any more.
pub fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Turns the end of a mode into the exit code, and tells a failure: a fault on standard output, other texts on
/// standard error.
pub fn code(ended: Result<u8, Failure>) -> ExitCode {
    let (code, text) = match ended {
        Ok(code) => (code, None),
        // Not worth a word: the lane ended the talk in its own way.
        Err(Failure::HungUp) => (DONE, None),
        Err(Failure::Usage(text)) => (2, Some(text)),
        Err(Failure::Internal(text)) => (5, Some(text)),
        Err(Failure::Unable(fault)) => {
            let text = format!("{}: {}", fault.doing, fault.cause);
            let reply = Reply { id: 0, outcome: Outcome::Fault(fault) };
            let _ = serde_json::to_string(&reply).map(|line| say(&line));
            (UNABLE, Some(text))
        }
    };
    if let Some(text) = text {
        let _ = writeln!(std::io::stderr(), "plumbline-agent: {text}");
    }
    ExitCode::from(code)
}
