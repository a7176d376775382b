//! The lane's end of the connection: request lines on standard input.
//!
//! Every wait of the agent calls [`Input::wait`], which also serves the open listeners and captures: they must
//! answer and be read during every other wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::EndError;
use crate::sockets::OpenSockets;

/// A longer line is no request.
const LONGEST_LINE_BYTES: usize = 64 * 1024 * 1024;

/// Standard input, read in lines.
#[derive(Default)]
pub struct Input {
    buffer: Vec<u8>,
    closed: bool,
    /// Whether standard input is never read (mode `probe-host`, which reads no requests).
    ignored: bool,
    /// Open listeners and captures.
    pub sockets: OpenSockets,
}

impl Input {
    /// The input of a mode that reads no requests: it never closes.
    pub fn ignored() -> Self {
        Self { ignored: true, ..Self::default() }
    }

    /// The descriptor to poll for [`read_available`](Self::read_available); none when closed or ignored.
    fn descriptor(&self) -> Option<BorrowedFd<'static>> {
        // Standard input is never closed by this program.
        (!self.closed && !self.ignored).then(|| {
            static STDIN: std::sync::OnceLock<io::Stdin> = std::sync::OnceLock::new();
            STDIN.get_or_init(io::stdin).as_fd()
        })
    }

    /// Whether the lane hung up.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Reads once after poll(2) reported data, so the read does not block.
    ///
    /// # Errors
    /// What read(2) gives, and a line beyond the limit.
    fn read_available(&mut self) -> io::Result<()> {
        let Some(descriptor) = self.descriptor() else { return Ok(()) };
        let mut piece = [0; 16 * 1024];
        match nix::unistd::read(descriptor, &mut piece) {
            Ok(0) => self.closed = true,
            Ok(length) => self.buffer.extend_from_slice(&piece[..length]),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        if self.buffer.len() > LONGEST_LINE_BYTES {
            return Err(io::Error::other(format!(
                "request line: expected at most {LONGEST_LINE_BYTES} bytes, found more"
            )));
        }
        Ok(())
    }

    /// The next request line; none once the lane hung up.
    ///
    /// # Errors
    /// As [`read_available`](Self::read_available).
    pub fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(line) = split_line(&mut self.buffer) {
                return Ok(Some(line));
            }
            if self.descriptor().is_none() {
                return Ok(None);
            }
            self.wait(&[], None)?;
        }
    }

    /// Waits for one of these descriptors, for the lane or for an open socket, at most until `until`. Reads what the lane
    /// wrote and serves the open sockets. Returns which of the descriptors are ready.
    ///
    /// # Errors
    /// What poll(2) gives; as [`read_available`](Self::read_available).
    pub fn wait(&mut self, others: &[PollFd<'_>], until: Option<Instant>) -> io::Result<Vec<bool>> {
        let lane = self.descriptor();
        let mut watched: Vec<PollFd> = others.to_vec();
        watched.extend(lane.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        self.sockets.watch(&mut watched);
        match poll(&mut watched, poll_timeout(until)) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(vec![false; others.len()]),
            Err(errno) => return Err(errno.into()),
        }
        let mut ready: Vec<bool> =
            watched.iter().map(|one| one.revents().is_some_and(|events| !events.is_empty())).collect();
        let mut rest = ready.split_off(others.len());
        let sockets = rest.split_off(usize::from(lane.is_some()));
        self.sockets.serve(&sockets);
        if rest.contains(&true) {
            self.read_available()?;
        }
        Ok(ready)
    }

    /// Waits for a time, or until the lane hangs up.
    ///
    /// # Errors
    /// [`EndError::HungUp`].
    pub fn pause(&mut self, length: Duration) -> Result<(), EndError> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.wait(&[], Some(end))?;
            if self.is_closed() {
                return Err(EndError::HungUp);
            }
        }
        Ok(())
    }
}

/// Removes the first line from the buffer and returns it without its end; none when the buffer has no whole line.
pub fn split_line(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    let rest = buffer.split_off(end + 1);
    let mut line = std::mem::replace(buffer, rest);
    line.pop();
    Some(line)
}

fn poll_timeout(moment: Option<Instant>) -> PollTimeout {
    let Some(moment) = moment else { return PollTimeout::NONE };
    // Rounded up, so that the moment has come when poll(2) returns.
    let wait = moment.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    PollTimeout::try_from(wait.as_millis()).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::split_line;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_and_rest_make_up_the_input(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..64)) {
            let mut buffer = bytes.clone();
            let mut joined = Vec::new();
            while let Some(line) = split_line(&mut buffer) {
                prop_assert!(!line.contains(&b'\n'));
                joined.extend(line);
                joined.push(b'\n');
            }
            joined.extend(buffer);
            prop_assert_eq!(joined, bytes);
        }
    }
}
