//! Plugins whose files are still being written: tried again, as libcni does (`pkg/invoke/raw_exec.go`).

use std::time::Duration;

use plumbline_netlink::Errno;

use crate::place::Place;
use crate::process::{Ended, Job, pause};
use crate::trouble::Trouble;

/// How often a file is tried, and how long is waited in between.
const TRIES: usize = 6;
const WAIT: Duration = Duration::from_secs(1);

/// Runs plugins side by side on a node; those whose files were busy again, as long as they are.
///
/// # Errors
/// The end of the talk; a fault when there is no such node.
pub fn run(jobs: &[Job], node: usize, place: &mut Place) -> Result<Vec<Ended>, Trouble> {
    let mut ends = once(jobs, node, place)?;
    for _ in 1..TRIES {
        if !ends.iter().any(is_busy) {
            break;
        }
        pause(WAIT, &mut place.input)?;
        for (end, job) in ends.iter_mut().zip(jobs).filter(|(end, _)| is_busy(end)) {
            *end = once(std::slice::from_ref(job), node, place)?.remove(0);
        }
    }
    Ok(ends)
}

fn once(jobs: &[Job], node: usize, place: &mut Place) -> Result<Vec<Ended>, Trouble> {
    let runner = &place.runner;
    let started = place.bed.on(node, || Ok(runner.start(jobs)?))?;
    Ok(runner.finish(started, &mut place.input)?)
}

fn is_busy(end: &Ended) -> bool {
    end.start_error.as_ref().and_then(std::io::Error::raw_os_error) == Some(Errno::ETXTBSY as i32)
}
