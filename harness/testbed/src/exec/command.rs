//! Runs a command to its end.

use super::output::{OnLine, OutputReader};
use super::transcript::{ExecError, ProcessEnd, Transcript, shell_line};
use crate::wait::within;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// Default deadline of a command.
const DEADLINE: Duration = Duration::from_secs(60);
/// Default cap on each output stream, in bytes.
const CAP: usize = 4 * 1024 * 1024;
/// The time between SIGTERM and SIGKILL at the deadline.
const GRACE: Duration = Duration::from_secs(2);

/// A command to run. Its standard input is closed unless [`Cmd::stdin`] sets it.
#[must_use = "a command does nothing until it is run"]
pub struct Cmd {
    argv: Vec<String>,
    env: Vec<(String, String)>,
    without: Vec<String>,
    dir: Option<PathBuf>,
    deadline: Duration,
    cap: usize,
    stdin: Option<Vec<u8>>,
    on_line: Option<OnLine>,
    on_start: Option<OnStart>,
}

/// Called with the process id of a command that was just started.
type OnStart = Box<dyn FnOnce(u32) + Send>;

impl Cmd {
    /// `program`, by path or by name in PATH.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            argv: vec![program.as_ref().display().to_string()],
            env: vec![],
            without: vec![],
            dir: None,
            deadline: DEADLINE,
            cap: CAP,
            stdin: None,
            on_line: None,
            on_start: None,
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.argv.push(arg.into());
        self
    }

    /// More arguments.
    pub fn args<T: Into<String>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to the inherited environment. The last call of this and [`Cmd::without_env`] wins.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.without.retain(|without| *without != name);
        self.env.push((name, value.into()));
        self
    }

    /// A variable that is not inherited.
    pub fn without_env(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.env.retain(|(known, _)| *known != name);
        self.without.push(name);
        self
    }

    /// The folder to run in.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// The deadline; 60 s by default.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The number of the last bytes of each output that are kept; 4 MiB by default.
    pub fn cap(mut self, bytes: usize) -> Self {
        self.cap = bytes;
        self
    }

    /// Its standard input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// A callback for each line of both outputs.
    pub fn on_line(mut self, on_line: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_line = Some(std::sync::Arc::new(on_line));
        self
    }

    /// A callback after the start, with the id of the process and of its group: for the journal of processes that must not
    /// outlive this one.
    pub fn on_start(mut self, on_start: impl FnOnce(u32) + Send + 'static) -> Self {
        self.on_start = Some(Box::new(on_start));
        self
    }

    /// Runs it to its end, with any exit code.
    ///
    /// # Errors
    /// [`ExecError::NotStarted`] when it can't be started.
    pub async fn run(mut self) -> Result<Transcript, ExecError> {
        let start = Instant::now();
        let mut child = self.spawn()?;
        let pid = child.id();
        if let (Some(pid), Some(on_start)) = (pid, self.on_start.take()) {
            on_start(pid);
        }
        if let (Some(bytes), Some(mut pipe)) = (self.stdin.clone(), child.stdin.take()) {
            // The writer is a separate task, so that a child that does not read does not block this process.
            tokio::spawn(async move {
                let _ = pipe.write_all(&bytes).await;
            });
        }
        let stdout = child.stdout.take().map(|s| OutputReader::start(s, self.cap, self.on_line.clone()));
        let stderr = child.stderr.take().map(|s| OutputReader::start(s, self.cap, self.on_line.clone()));
        let mut guard = GroupGuard { pid };
        let ending = await_end(&mut child, pid, self.deadline).await;
        guard.pid = None;
        let (stdout, stderr) = tokio::join!(OutputReader::finish(stdout), OutputReader::finish(stderr));
        Ok(Transcript { argv: self.argv, ending, stdout, stderr, duration: start.elapsed() })
    }

    /// Runs it and requires exit code 0.
    ///
    /// # Errors
    /// [`ExecError`] when it can't be started or ends with another code.
    pub async fn run_ok(self) -> Result<Transcript, ExecError> {
        self.run().await?.success()
    }

    /// Starts it as the leader of a new process group, with piped outputs.
    fn spawn(&self) -> Result<Child, ExecError> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).envs(self.env.iter().cloned());
        for name in &self.without {
            command.env_remove(name);
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command.spawn().map_err(|error| not_started(&self.argv, error))
    }
}

pub(super) fn not_started(argv: &[String], error: std::io::Error) -> ExecError {
    ExecError::NotStarted { line: shell_line(argv), source: Arc::new(error) }
}

/// Waits for the end. At the deadline it ends the whole group, first with SIGTERM.
async fn await_end(child: &mut Child, pid: Option<u32>, deadline: Duration) -> ProcessEnd {
    if let Some(status) = within(deadline, child.wait()).await {
        return match status {
            Ok(status) => {
                status.code().map_or_else(|| ProcessEnd::Signal(status.signal().unwrap_or(0)), ProcessEnd::Code)
            }
            Err(_) => ProcessEnd::Signal(0),
        };
    }
    signal_group(pid, Signal::SIGTERM);
    let _ = within(GRACE, child.wait()).await;
    signal_group(pid, Signal::SIGKILL);
    let _ = child.wait().await;
    ProcessEnd::Deadline(deadline)
}

pub(super) fn signal_group(pid: Option<u32>, signal: Signal) {
    if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
        let _ = killpg(Pid::from_raw(pid), signal);
    }
}

/// Ends the group when the future is dropped (Ctrl-C) while the child still runs.
struct GroupGuard {
    pid: Option<u32>,
}

impl Drop for GroupGuard {
    fn drop(&mut self) {
        signal_group(self.pid, Signal::SIGKILL);
    }
}
