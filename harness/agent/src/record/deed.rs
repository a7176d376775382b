//! Acting faults.

use std::io::{self, Write};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{getpid, pause};
use plumbline_core::record::{Deed, Recorded};

use crate::exit::Failure;

/// Writes into a call's record what is about to be printed.
pub fn foretell(deed: &Deed, recorded: &mut Recorded) {
    if let Deed::Exit { stdout, stderr, .. } = deed {
        (recorded.stdout, recorded.stderr) = (stdout.clone(), stderr.clone());
    }
}

/// Acts it; gives the exit code where it ends by one.
///
/// # Errors
/// What writing gives; a number that is no signal's.
pub fn act(deed: &Deed) -> Result<u8, Failure> {
    match deed {
        Deed::Exit { code, stdout, stderr } => say(stdout.as_bytes(), stderr.as_bytes()).map(|()| *code),
        Deed::Signal(number) => by_signal(*number),
        Deed::Hang => loop {
            pause();
        },
    }
}

/// Prints on both streams, as it is.
///
/// # Errors
/// What writing gives.
pub fn say(stdout: &[u8], stderr: &[u8]) -> Result<(), Failure> {
    io::stderr().write_all(stderr)?;
    io::stdout().write_all(stdout)?;
    Ok(io::stdout().flush()?)
}

/// Ends this program by a signal.
///
/// # Errors
/// A number that is no signal's, and a signal that did not end it.
pub fn by_signal(number: i32) -> Result<u8, Failure> {
    let signal = Signal::try_from(number).map_err(|_| Failure::Internal(format!("{number} is no signal")))?;
    // The standard library catches two of them (for its word on stack overflows), and steps aside at the first.
    for _ in 0..2 {
        kill(getpid(), signal).map_err(io::Error::from)?;
    }
    Err(Failure::Internal(format!("{signal} did not end this program")))
}
