//! Running processes to their end: deadlines, size caps, and an open ear for the lane.
//!
//! Nothing here waits without listening to standard input too: when the lane is gone, so is everything it started.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use plumbline_core::cni::Exit;

use crate::exit::Failure;
use crate::input::Input;
use crate::pipe::{Pipe, feed, unblock};
use crate::spawn::{Program, spawn};

/// How long output is read after the process itself has ended: a grandchild may hold the pipe open for ever.
const AFTERMATH: Duration = Duration::from_millis(100);

/// How much is kept of standard error; the rest is read and dropped.
const STDERR_CAP_BYTES: usize = 1024 * 1024;

/// One process to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// What to start.
    pub program: Program,
    /// What it reads, where the program is fed.
    pub stdin: Vec<u8>,
    /// How long it may run.
    pub deadline: Duration,
    /// A process that prints more bytes than this on standard output is killed.
    pub stdout_cap: usize,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// The end itself.
    pub exit: Exit,
    /// Standard output, at most the cap.
    pub stdout: Vec<u8>,
    /// Standard error, at most 1 MiB.
    pub stderr: Vec<u8>,
    /// Whether it was killed for printing too much.
    pub flooded: bool,
    /// The error of the start, where it could not be started.
    pub start_error: Option<io::Error>,
    /// From the start to the end of the process.
    pub took: Duration,
}

/// What runs processes: owns the descriptor by which the kernel tells of ended children.
pub struct Runner {
    signals: SignalFd,
    mask: SigSet,
}

impl Runner {
    /// Makes one; a program needs only one.
    ///
    /// # Errors
    /// What `signalfd(2)` gives.
    pub fn new() -> io::Result<Self> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block()?;
        Ok(Self { signals: SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?, mask })
    }

    /// Runs jobs side by side and gives their ends in the same order.
    ///
    /// # Errors
    /// [`Failure::HungUp`] when the lane hangs up; all process groups have been killed by then.
    pub fn run(&self, jobs: &[Job], input: &mut Input) -> Result<Vec<Ended>, Failure> {
        let started = self.start(jobs)?;
        self.finish(started, input)
    }

    /// Starts jobs side by side, to be handed to [`finish`](Self::finish).
    ///
    /// # Errors
    /// What changing the signal mask gives.
    pub fn start(&self, jobs: &[Job]) -> Result<Vec<Running>, Failure> {
        // A child takes over the mask, and a shell with SIGCHLD blocked waits for ever.
        self.mask.thread_unblock().map_err(io::Error::from)?;
        let running = jobs.iter().map(Running::start).collect();
        self.mask.thread_block().map_err(io::Error::from)?;
        Ok(running)
    }

    /// Waits for what was started.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn finish(&self, mut running: Vec<Running>, input: &mut Input) -> Result<Vec<Ended>, Failure> {
        loop {
            for one in &mut running {
                one.step()?;
            }
            if running.iter().all(Running::done) {
                return Ok(running.into_iter().map(Running::ended).collect());
            }
            if let Err(failure) = self.wait(&running, input) {
                running.iter_mut().for_each(Running::kill);
                return Err(failure);
            }
            // Only the waking matters; who ended is asked child by child.
            while let Ok(Some(_)) = self.signals.read_signal() {}
        }
    }

    fn wait(&self, running: &[Running], input: &mut Input) -> Result<(), Failure> {
        let next = running.iter().filter_map(Running::due).min();
        let mut watched: Vec<PollFd> = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        running.iter().for_each(|one| one.watch(&mut watched));
        input.wait(&watched, next)?;
        if input.closed() { Err(Failure::HungUp) } else { Ok(()) }
    }
}

/// Waits until a moment, or until the lane hangs up: the only way in which the agent lets time pass.
///
/// # Errors
/// [`Failure::HungUp`].
pub fn pause(length: Duration, input: &mut Input) -> Result<(), Failure> {
    let end = Instant::now() + length;
    while Instant::now() < end {
        input.wait(&[], Some(end))?;
        if input.closed() {
            return Err(Failure::HungUp);
        }
    }
    Ok(())
}

/// A started job.
pub struct Running {
    child: Option<Child>,
    started: Instant,
    deadline: Duration,
    stdin: Vec<u8>,
    stdout: Pipe<std::process::ChildStdout>,
    stderr: Pipe<std::process::ChildStderr>,
    flooded: bool,
    late: bool,
    end: Option<(ExitStatus, Instant)>,
    start_error: Option<io::Error>,
}

impl Running {
    fn start(job: &Job) -> Self {
        let started = Instant::now();
        let (mut child, start_error) = match spawn(&job.program) {
            Ok(child) => (Some(child), None),
            Err(error) => (None, Some(error)),
        };
        if let Some(pipe) = child.as_ref().and_then(|child| child.stdin.as_ref()) {
            unblock(pipe.as_fd());
        }
        Self {
            stdout: Pipe::new(child.as_mut().and_then(|child| child.stdout.take()), job.stdout_cap),
            stderr: Pipe::new(child.as_mut().and_then(|child| child.stderr.take()), STDERR_CAP_BYTES),
            child,
            started,
            deadline: job.deadline,
            stdin: job.stdin.clone(),
            flooded: false,
            late: false,
            end: None,
            start_error,
        }
    }

    /// Does what can be done without waiting.
    fn step(&mut self) -> io::Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        feed(&mut child.stdin, &mut self.stdin);
        if self.end.is_none() {
            self.end = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        self.stdout.drain();
        self.stderr.drain();
        if self.end.is_none() && self.stdout.full {
            self.flooded = true;
        }
        if self.end.is_none() && self.started.elapsed() >= self.deadline {
            self.late = true;
        }
        if self.end.is_none() && (self.flooded || self.late) {
            self.kill();
            self.end = Some((self.child.as_mut().map(Child::wait).transpose()?.unwrap_or_default(), Instant::now()));
        }
        if self.end.is_some_and(|(_, at)| self.flooded || self.late || at.elapsed() >= AFTERMATH) {
            self.stdout.pipe = None;
            self.stderr.pipe = None;
        }
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(child) = &self.child {
            // Gone already is as good as killed.
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        }
    }

    fn done(&self) -> bool {
        self.child.is_none() || (self.end.is_some() && self.stdout.pipe.is_none() && self.stderr.pipe.is_none())
    }

    /// When something has to be done even if nothing happens.
    fn due(&self) -> Option<Instant> {
        if self.done() {
            return None;
        }
        Some(self.end.map_or(self.started + self.deadline, |(_, at)| at + AFTERMATH))
    }

    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        let stdin = self.child.as_ref().and_then(|child| child.stdin.as_ref());
        watched.extend(stdin.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
        watched.extend(self.stdout.pipe.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        watched.extend(self.stderr.pipe.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
    }

    fn ended(self) -> Ended {
        let exit = match (&self.start_error, self.end) {
            (Some(error), _) => Exit::NotStarted(error.to_string()),
            (None, _) if self.late => Exit::Deadline(u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX)),
            (None, Some((status, _))) => match (status.code(), status.signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, signal) => Exit::Signal(signal.unwrap_or_default()),
            },
            (None, None) => Exit::NotStarted("never ran".to_owned()),
        };
        let end = self.end.map_or_else(Instant::now, |(_, at)| at);
        Ended {
            exit,
            stdout: self.stdout.kept,
            stderr: self.stderr.kept,
            flooded: self.flooded,
            start_error: self.start_error,
            took: end.saturating_duration_since(self.started),
        }
    }
}
