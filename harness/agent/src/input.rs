//! What has to be heard at any time: request lines on standard input, the news that the lane hung up, and the open
//! sockets of the wire, which have to answer and to be emptied whatever else is awaited.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::wire::Wire;

/// A longer line is no request of ours.
const LONGEST_LINE_BYTES: usize = 64 * 1024 * 1024;

/// Standard input, read in lines, so that its end is noticed while something else is awaited.
#[derive(Default)]
pub struct Input {
    buffer: Vec<u8>,
    closed: bool,
    /// The descriptor is looked at only if there is a lane at the other end (`probe-host` has none).
    deaf: bool,
    /// Listeners and captures that are open.
    pub wire: Wire,
}

impl Input {
    /// The input of a mode that nobody talks to: it never closes.
    #[must_use]
    pub fn nobody() -> Self {
        Self { deaf: true, ..Self::default() }
    }

    /// The descriptor to poll for [`absorb`](Self::absorb); none once closed, or when nobody talks.
    fn descriptor(&self) -> Option<BorrowedFd<'static>> {
        // Standard input is never closed by this program.
        (!self.closed && !self.deaf).then(|| {
            static STDIN: std::sync::OnceLock<io::Stdin> = std::sync::OnceLock::new();
            STDIN.get_or_init(io::stdin).as_fd()
        })
    }

    /// Whether the lane hung up.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Takes in what is there after poll(2) said so; one read, which then does not block.
    ///
    /// # Errors
    /// What read(2) gives, and a line beyond the limit.
    fn absorb(&mut self) -> io::Result<()> {
        let Some(descriptor) = self.descriptor() else { return Ok(()) };
        let mut piece = [0; 16 * 1024];
        match nix::unistd::read(descriptor, &mut piece) {
            Ok(0) => self.closed = true,
            Ok(length) => self.buffer.extend_from_slice(&piece[..length]),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        if self.buffer.len() > LONGEST_LINE_BYTES {
            return Err(io::Error::other(format!("a request of more than {LONGEST_LINE_BYTES} bytes")));
        }
        Ok(())
    }

    /// The next request line; none once the lane hung up.
    ///
    /// # Errors
    /// As [`absorb`](Self::absorb).
    pub fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(Some(line));
            }
            if self.descriptor().is_none() {
                return Ok(None);
            }
            self.wait(&[], None)?;
        }
    }

    /// Waits until something happens on one of these descriptors, on the lane's or on the wire, or until the moment;
    /// takes in what the lane wrote and serves the wire. Says which of the descriptors have something.
    ///
    /// # Errors
    /// What poll(2) gives; as [`absorb`](Self::absorb).
    pub fn wait(&mut self, others: &[PollFd<'_>], until: Option<Instant>) -> io::Result<Vec<bool>> {
        let lane = self.descriptor();
        let mut watched: Vec<PollFd> = others.to_vec();
        watched.extend(lane.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        self.wire.watch(&mut watched);
        match poll(&mut watched, timeout(until)) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(vec![false; others.len()]),
            Err(errno) => return Err(errno.into()),
        }
        let mut ready: Vec<bool> =
            watched.iter().map(|one| one.revents().is_some_and(|events| !events.is_empty())).collect();
        let mut rest = ready.split_off(others.len());
        let wire = rest.split_off(usize::from(lane.is_some()));
        self.wire.serve(&wire);
        if rest.contains(&true) {
            self.absorb()?;
        }
        Ok(ready)
    }
}

fn timeout(moment: Option<Instant>) -> PollTimeout {
    let Some(moment) = moment else { return PollTimeout::NONE };
    // Rounded up, so that the moment has come when poll(2) returns.
    let wait = moment.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    PollTimeout::try_from(wait.as_millis()).unwrap_or(PollTimeout::MAX)
}
