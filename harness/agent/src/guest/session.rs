//! One session: an agent in the mode that the host asked for, and its streams.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumbline_core::guest::Begin;

use crate::pipe::unblock;
use crate::spawn;

/// How much of its standard error is kept.
const WORDS_BYTES: usize = 4096;

/// An agent that runs.
pub struct Session {
    /// Its name.
    pub name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// From the host, not handed over yet.
    pub input: Vec<u8>,
    /// The last of its standard error.
    pub words: Vec<u8>,
    /// Its exit code once it was waited for; none inside where a signal ended it.
    pub ended: Option<Option<i32>>,
}

impl Session {
    /// Starts it.
    ///
    /// # Errors
    /// What fork and exec give.
    pub fn start(begin: &Begin) -> io::Result<Self> {
        let mut child = spawn::again_piped(&begin.arguments)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let session = Self {
            name: begin.session.clone(),
            child,
            stdin,
            stdout,
            stderr,
            input: vec![],
            words: vec![],
            ended: None,
        };
        session.descriptors().into_iter().for_each(unblock);
        Ok(session)
    }

    /// What to watch.
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

    /// The host is gone, or has had enough: the end of input is the agent's sign to leave.
    pub fn hang_up(&mut self) {
        self.input.clear();
        self.stdin = None;
    }

    /// Ends it at once. The kernel takes its node with it.
    pub fn kill(&mut self) {
        let _ = kill(self.pid(), Signal::SIGKILL);
        self.hang_up();
        (self.stdout, self.stderr) = (None, None);
    }

    /// Whether it has closed its standard output: it has ended, or is about to.
    pub fn closed(&self) -> bool {
        self.stdout.is_none()
    }

    /// Hands over what it takes; says whether anything moved.
    pub fn feed(&mut self) -> bool {
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

    /// Adds what it wrote to `out` while that has room; says whether anything moved.
    pub fn drain(&mut self, out: &mut Vec<u8>, room: usize) -> bool {
        let mut moved = false;
        while out.len() < room && read(&mut self.stdout, out) {
            moved = true;
        }
        while read(&mut self.stderr, &mut self.words) {
            moved = true;
            let surplus = self.words.len().saturating_sub(WORDS_BYTES);
            self.words.drain(..surplus);
        }
        moved
    }
}

/// One read that does not wait; closes the stream at its end. Says whether anything came, the end included.
fn read<P: Read>(stream: &mut Option<P>, into: &mut Vec<u8>) -> bool {
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
