//! Pipes to and from a child, never waited for: whoever waits polls all of them at once.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ChildStdin;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Hands over what fits; closes the pipe when all is written, or when the reader does not want it.
pub fn feed(pipe: &mut Option<ChildStdin>, text: &mut Vec<u8>) {
    while let Some(open) = pipe {
        match open.write(text) {
            Ok(written) => {
                text.drain(..written);
                if text.is_empty() {
                    *pipe = None;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => *pipe = None,
        }
    }
}

/// Makes reads and writes return at once when there is nothing to do.
pub fn unblock(descriptor: BorrowedFd) {
    // The pipe is our own and fresh; the call has nothing to fail on.
    let _ = fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
}

/// The reading end of a child's output.
pub struct Pipe<P> {
    /// The pipe itself; none once it is at its end, or not listened to any more.
    pub pipe: Option<P>,
    /// What was read, at most the cap.
    pub kept: Vec<u8>,
    cap: usize,
    /// Whether there was more than the cap.
    pub full: bool,
}

impl<P: Read + AsFd> Pipe<P> {
    /// Listens to a pipe, keeping at most `cap` bytes.
    pub fn new(pipe: Option<P>, cap: usize) -> Self {
        if let Some(open) = &pipe {
            unblock(open.as_fd());
        }
        Self { pipe, kept: Vec::new(), cap, full: false }
    }

    /// Reads what is there; closes the pipe at its end.
    pub fn drain(&mut self) {
        let mut piece = [0; 64 * 1024];
        while let Some(open) = &mut self.pipe {
            match open.read(&mut piece) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    let room = self.cap - self.kept.len();
                    self.full |= length > room;
                    self.kept.extend_from_slice(&piece[..length.min(room)]);
                    if self.full {
                        // Once a turn is enough: whoever never stops printing must not keep us from looking at the clock.
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}
