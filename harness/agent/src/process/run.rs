//! Running processes to their end, with deadlines and output limits.
//!
//! Every wait also watches standard input: when the lane closes it, all running processes are killed.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use plumbline_core::cni::Exit;

use super::start::{Program, start_program};
use crate::error::EndError;
use crate::input::Input;

/// How long output is read after the process itself has ended: a grandchild may keep the pipe open for ever.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);

/// How much is kept of standard error; the rest is read and dropped.
const STDERR_CAP_BYTES: usize = 1024 * 1024;

/// One process to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// What to start.
    pub program: Program,
    /// Its standard input, where that is a pipe.
    pub stdin: Vec<u8>,
    /// How long it may run.
    pub deadline: Duration,
    /// A process that prints more bytes than this on standard output is killed.
    pub stdout_cap: usize,
}

impl Job {
    /// A program with the environment of every process; standard input is a pipe where it gets a text.
    pub fn new(argv: Vec<String>, stdin: Option<Vec<u8>>, deadline: Duration, stdout_cap: usize) -> Self {
        let program = Program { argv, env: Vec::new(), piped_stdin: stdin.is_some() };
        Self { program, stdin: stdin.unwrap_or_default(), deadline, stdout_cap }
    }

    /// A command line whose words have no spaces; standard input is a pipe where it gets a text.
    pub fn from_line(line: &str, stdin: &str, deadline: Duration, stdout_cap: usize) -> Self {
        let stdin = Some(stdin.as_bytes().to_vec()).filter(|stdin| !stdin.is_empty());
        Self::new(line.split(' ').map(str::to_owned).collect(), stdin, deadline, stdout_cap)
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct ProcessResult {
    /// Exit code, signal, deadline, or that it did not start.
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
    pub duration: Duration,
}

/// Runs processes, and reads the lane's requests meanwhile.
pub struct Processes {
    /// The lane.
    pub input: Input,
    signals: SignalFd,
    mask: SigSet,
}

impl Processes {
    /// Blocks SIGCHLD, which arrives by a descriptor from now on; a program needs only one.
    ///
    /// # Errors
    /// What `signalfd(2)` gives.
    pub fn new(input: Input) -> io::Result<Self> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { input, signals, mask })
    }

    /// Runs jobs side by side; the results are in the order of the jobs.
    ///
    /// # Errors
    /// [`EndError::HungUp`] when the lane hangs up; all process groups are killed then.
    pub fn run(&mut self, jobs: &[Job]) -> Result<Vec<ProcessResult>, EndError> {
        let running = self.start(jobs)?;
        self.finish(running)
    }

    /// Starts jobs side by side, to be passed to [`finish`](Self::finish).
    ///
    /// # Errors
    /// What changing the signal mask gives.
    pub fn start(&self, jobs: &[Job]) -> Result<Vec<RunningProcess>, EndError> {
        // A child inherits the mask, and a shell with SIGCHLD blocked waits for ever.
        self.mask.thread_unblock().map_err(io::Error::from)?;
        let running = jobs.iter().map(RunningProcess::start).collect();
        self.mask.thread_block().map_err(io::Error::from)?;
        Ok(running)
    }

    /// Waits for started jobs.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn finish(&mut self, mut running: Vec<RunningProcess>) -> Result<Vec<ProcessResult>, EndError> {
        loop {
            for process in &mut running {
                process.step()?;
            }
            if running.iter().all(RunningProcess::is_done) {
                return Ok(running.into_iter().map(RunningProcess::into_result).collect());
            }
            if let Err(error) = self.wait(&running) {
                running.iter_mut().for_each(RunningProcess::kill);
                return Err(error);
            }
            // The signals only end the wait. The state of each child is then read.
            while let Ok(Some(_)) = self.signals.read_signal() {}
        }
    }

    fn wait(&mut self, running: &[RunningProcess]) -> Result<(), EndError> {
        let next = running.iter().filter_map(RunningProcess::next_deadline).min();
        let mut watched: Vec<PollFd> = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        running.iter().for_each(|process| process.watch(&mut watched));
        self.input.wait(&watched, next)?;
        if self.input.is_closed() { Err(EndError::HungUp) } else { Ok(()) }
    }
}

/// A started job.
pub struct RunningProcess {
    child: Option<Child>,
    started: Instant,
    deadline: Duration,
    stdin: Vec<u8>,
    stdout: OutputPipe<ChildStdout>,
    stderr: OutputPipe<ChildStderr>,
    flooded: bool,
    late: bool,
    end: Option<(ExitStatus, Instant)>,
    start_error: Option<io::Error>,
}

impl RunningProcess {
    fn start(job: &Job) -> Self {
        let started = Instant::now();
        let (mut child, start_error) = match start_program(&job.program) {
            Ok(child) => (Some(child), None),
            Err(error) => (None, Some(error)),
        };
        if let Some(pipe) = child.as_ref().and_then(|child| child.stdin.as_ref()) {
            set_nonblocking(pipe.as_fd());
        }
        Self {
            stdout: OutputPipe::new(child.as_mut().and_then(|child| child.stdout.take()), job.stdout_cap),
            stderr: OutputPipe::new(child.as_mut().and_then(|child| child.stderr.take()), STDERR_CAP_BYTES),
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

    /// Writes, reads and checks what is possible without waiting.
    fn step(&mut self) -> io::Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        write_available(&mut child.stdin, &mut self.stdin);
        if self.end.is_none() {
            self.end = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        self.stdout.read_available();
        self.stderr.read_available();
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
        if self.end.is_some_and(|(_, at)| self.flooded || self.late || at.elapsed() >= OUTPUT_GRACE) {
            self.stdout.pipe = None;
            self.stderr.pipe = None;
        }
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(child) = &self.child {
            // A process that has already ended needs no signal.
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        }
    }

    fn is_done(&self) -> bool {
        self.child.is_none() || (self.end.is_some() && self.stdout.pipe.is_none() && self.stderr.pipe.is_none())
    }

    /// When the next step is due even if no descriptor becomes ready.
    fn next_deadline(&self) -> Option<Instant> {
        if self.is_done() {
            return None;
        }
        Some(self.end.map_or(self.started + self.deadline, |(_, at)| at + OUTPUT_GRACE))
    }

    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        let stdin = self.child.as_ref().and_then(|child| child.stdin.as_ref());
        watched.extend(stdin.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
        watched.extend(self.stdout.pipe.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        watched.extend(self.stderr.pipe.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
    }

    fn into_result(self) -> ProcessResult {
        let exit = match (&self.start_error, self.end) {
            (Some(error), _) => Exit::NotStarted(error.to_string()),
            (None, _) if self.late => Exit::Deadline(u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX)),
            (None, Some((status, _))) => read_exit(status),
            (None, None) => Exit::NotStarted("it did not run".to_owned()),
        };
        let end = self.end.map_or_else(Instant::now, |(_, at)| at);
        ProcessResult {
            exit,
            stdout: self.stdout.bytes,
            stderr: self.stderr.bytes,
            flooded: self.flooded,
            start_error: self.start_error,
            duration: end.saturating_duration_since(self.started),
        }
    }
}

/// The exit code, or the signal.
pub fn read_exit(status: ExitStatus) -> Exit {
    status.code().map_or_else(|| Exit::Signal(status.signal().unwrap_or_default()), Exit::Code)
}

/// Writes what the pipe takes; closes it when all is written, or when the reader closed it.
fn write_available(pipe: &mut Option<ChildStdin>, text: &mut Vec<u8>) {
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

/// Makes reads and writes return at once instead of waiting.
pub fn set_nonblocking(descriptor: BorrowedFd) {
    // The pipe was just created; the call cannot fail on it.
    let _ = fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
}

/// The reading end of a child's output.
struct OutputPipe<P> {
    /// None at its end, or when it is no longer read.
    pipe: Option<P>,
    /// What was read, at most the cap.
    bytes: Vec<u8>,
    cap: usize,
    /// Whether there was more than the cap.
    full: bool,
}

impl<P: Read + AsFd> OutputPipe<P> {
    /// Reads a pipe and keeps at most `cap` bytes.
    fn new(pipe: Option<P>, cap: usize) -> Self {
        if let Some(open) = &pipe {
            set_nonblocking(open.as_fd());
        }
        Self { pipe, bytes: Vec::new(), cap, full: false }
    }

    /// Reads what is available; closes the pipe at its end.
    fn read_available(&mut self) {
        let mut piece = [0; 64 * 1024];
        while let Some(open) = &mut self.pipe {
            match open.read(&mut piece) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    let room = self.cap - self.bytes.len();
                    self.full |= length > room;
                    self.bytes.extend_from_slice(&piece[..length.min(room)]);
                    if self.full {
                        // One read a turn is enough: endless output must not delay the check of the deadline.
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
