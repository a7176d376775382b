//! Plugins whose files are still being written: tried again, as libcni does (`pkg/invoke/raw_exec.go`).

use std::time::Duration;

use plumbline_netlink::Errno;

use crate::exit::Failure;
use crate::place::Place;
use crate::process::{Ended, Job, pause};

/// How often a file is tried, and how long is waited in between.
const TRIES: usize = 6;
const WAIT: Duration = Duration::from_secs(1);

/// Runs plugins side by side; those whose files were busy again, as long as they are.
///
/// # Errors
/// [`Failure::HungUp`] when the lane hangs up meanwhile.
pub fn run(jobs: &[Job], place: &mut Place) -> Result<Vec<Ended>, Failure> {
    let mut ends = place.runner.run(jobs, &mut place.input)?;
    for _ in 1..TRIES {
        if !ends.iter().any(is_busy) {
            break;
        }
        pause(WAIT, &mut place.input)?;
        for (end, job) in ends.iter_mut().zip(jobs).filter(|(end, _)| is_busy(end)) {
            *end = place.runner.run(std::slice::from_ref(job), &mut place.input)?.remove(0);
        }
    }
    Ok(ends)
}

fn is_busy(end: &Ended) -> bool {
    end.start_error.as_ref().and_then(std::io::Error::raw_os_error) == Some(Errno::ETXTBSY as i32)
}
