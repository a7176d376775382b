//! The talk with the lane: a request line in, a reply line out, in order, until the lane hangs up.

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use plumbline_core::protocol::{Fault, Outcome, Reply, Request};
use serde::Deserialize;

use crate::dispatch::dispatch;
use crate::exit::{DONE, Failure, say};
use crate::place::Place;
use crate::trouble::Trouble;

/// Serves requests until standard input ends.
///
/// # Errors
/// [`Failure::HungUp`] when the lane is gone in the middle of a request; [`Failure::Internal`] when a reply can't be
/// written.
pub fn serve(mut place: Place) -> Result<u8, Failure> {
    while let Some(line) = place.input.next_line()? {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let reply = answer(&line, &mut place)?;
        if place.plugins.is_some() {
            reap();
        }
        say(&serde_json::to_string(&reply).map_err(|error| Failure::Internal(format!("write a reply: {error}")))?)?;
        // Now that nobody waits: the kernel takes its time for each of them.
        place.input.wire.retired.clear();
    }
    if place.stays {
        // Until SIGKILL: PID 1 of a namespace gets no other signal that it has no handler for.
        loop {
            nix::unistd::pause();
        }
    }
    Ok(DONE)
}

/// PID 1's duty: whoever lost its parent on this node and ended waits to be asked for. Nothing of ours runs by now.
fn reap() {
    let anybody = Pid::from_raw(-1);
    while matches!(waitpid(anybody, Some(WaitPidFlag::WNOHANG)), Ok(ended) if ended != WaitStatus::StillAlive) {}
}

fn answer(line: &[u8], place: &mut Place) -> Result<Reply, Failure> {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return Ok(not_understood(line, &error)),
    };
    let outcome = match dispatch(&request.op, place) {
        Ok(outcome) => outcome,
        Err(Trouble::Fault(fault)) => Outcome::Fault(fault),
        Err(Trouble::End(failure)) => return Err(failure),
    };
    Ok(Reply { id: request.id, outcome })
}

/// The number alone, for the reply to a request that is not understood (an older or newer lane).
#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

fn not_understood(line: &[u8], error: &serde_json::Error) -> Reply {
    let id = serde_json::from_slice::<Numbered>(line).map_or(0, |numbered| numbered.id);
    let fault = Fault { doing: "understand a request".to_owned(), cause: error.to_string(), gone: false };
    Reply { id, outcome: Outcome::Fault(fault) }
}
