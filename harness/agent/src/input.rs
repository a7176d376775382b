//! The lane's end of the talk: request lines on standard input, and the news that the lane hung up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A longer line is no request of ours.
const LONGEST_LINE_BYTES: usize = 64 * 1024 * 1024;

/// Standard input, read in lines, so that its end is noticed while something else is awaited.
#[derive(Default)]
pub struct Input {
    buffer: Vec<u8>,
    closed: bool,
    /// The descriptor is looked at only if there is a lane at the other end (`probe-host` has none).
    deaf: bool,
}

impl Input {
    /// The input of a mode that nobody talks to: it never closes.
    #[must_use]
    pub fn nobody() -> Self {
        Self { deaf: true, ..Self::default() }
    }

    /// The descriptor to poll for [`absorb`](Self::absorb); none once closed, or when nobody talks.
    pub fn descriptor(&self) -> Option<BorrowedFd<'static>> {
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
    pub fn absorb(&mut self) -> io::Result<()> {
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
            let Some(descriptor) = self.descriptor() else { return Ok(None) };
            match poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], PollTimeout::NONE) {
                Ok(_) => self.absorb()?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
