//! One session: an agent in the requested mode, and its streams.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumbline_core::guest::StartSession;

use crate::process::run::set_nonblocking;
use crate::process::start::start_agent_piped;

/// How much of its standard error is kept.
const STDERR_TAIL_BYTES: usize = 4096;

/// An agent that runs.
pub struct Session {
    /// Its name.
    pub name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// Bytes from the host that are not written yet.
    pub input: Vec<u8>,
    /// The end of its standard error.
    pub stderr_tail: Vec<u8>,
    /// Whether its process has ended and was waited for.
    pub ended: bool,
    /// Its exit code; none where a signal ended it.
    pub exit_code: Option<i32>,
}

impl Session {
    /// Starts it.
    ///
    /// # Errors
    /// What fork and exec give.
    pub fn start(request: &StartSession) -> io::Result<Self> {
        let mut child = start_agent_piped(&request.arguments)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let session = Self {
            name: request.session.clone(),
            child,
            stdin,
            stdout,
            stderr,
            input: vec![],
            stderr_tail: vec![],
            ended: false,
            exit_code: None,
        };
        session.descriptors().into_iter().for_each(set_nonblocking);
        Ok(session)
    }

    /// The descriptors to watch.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let all = [
            self.stdin.as_ref().map(AsFd::as_fd),
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        all.into_iter().flatten().collect()
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Closes the agent's standard input, at which it ends.
    pub fn hang_up(&mut self) {
        self.input.clear();
        self.stdin = None;
    }

    /// Ends it at once. The kernel removes its node.
    pub fn kill(&mut self) {
        let _ = kill(self.pid(), Signal::SIGKILL);
        self.hang_up();
        (self.stdout, self.stderr) = (None, None);
    }

    /// Whether it has closed its standard output: it has ended, or is about to.
    pub fn is_closed(&self) -> bool {
        self.stdout.is_none()
    }

    /// Writes what the agent takes; returns whether anything was written.
    pub fn write_available(&mut self) -> bool {
        let mut moved = false;
        while let Some(open) = self.stdin.as_mut().filter(|_| !self.input.is_empty()) {
            match open.write(&self.input) {
                Ok(written) => {
                    self.input.drain(..written);
                    moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.hang_up(),
            }
        }
        moved
    }

    /// Adds the agent's output to `out`, up to `limit` bytes; returns whether anything was read.
    pub fn read_available(&mut self, out: &mut Vec<u8>, limit: usize) -> bool {
        let mut moved = false;
        while out.len() < limit && read_once(&mut self.stdout, out) {
            moved = true;
        }
        while read_once(&mut self.stderr, &mut self.stderr_tail) {
            moved = true;
            let surplus = self.stderr_tail.len().saturating_sub(STDERR_TAIL_BYTES);
            self.stderr_tail.drain(..surplus);
        }
        moved
    }
}

/// One read that does not block; closes the stream at its end. Returns whether anything was read, or the end.
fn read_once<P: Read>(stream: &mut Option<P>, into: &mut Vec<u8>) -> bool {
    let Some(open) = stream else { return false };
    let mut piece = [0; 32 * 1024];
    match open.read(&mut piece) {
        Ok(0) => *stream = None,
        Ok(length) => into.extend_from_slice(&piece[..length]),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) if error.raw_os_error() == Some(Errno::EAGAIN as i32) => return false,
        Err(_) => *stream = None,
    }
    true
}
