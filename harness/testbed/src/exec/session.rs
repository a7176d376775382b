//! Long-lived children: those with open standard streams that end with their [`Session`], and those that outlive this process.

use super::command::{not_started, signal_group};
use super::output::OutputReader;
use super::transcript::ExecError;
use crate::wait::within;
use nix::poll::poll;
use nix::sys::signal::Signal;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The milliseconds between two checks whether a killed child has ended, and the number of checks.
const REAP: u8 = 5;
const REAPS: u16 = 400;

/// A child with open standard streams. Dropping it ends it: its input is closed, and its group is killed.
pub struct Session {
    child: Child,
    pid: Option<u32>,
    stderr: Option<OutputReader>,
    streams: Option<(ChildStdin, ChildStdout)>,
}

impl Session {
    /// Starts `argv` with `env` in addition to the inherited environment.
    ///
    /// # Errors
    /// [`ExecError::NotStarted`] when it can't be started.
    pub fn start(argv: &[String], env: &[(String, String)]) -> Result<Self, ExecError> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).envs(env.iter().cloned()).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| not_started(argv, error))?;
        let streams = child.stdin.take().zip(child.stdout.take());
        let stderr = child.stderr.take().map(|stream| OutputReader::start(stream, 64 * 1024, None));
        Ok(Self { pid: child.id(), child, stderr, streams })
    }

    /// The process id, for the journal; none once it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Its standard input and output; only the first call gets them.
    pub fn streams(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        self.streams.take()
    }

    /// Closes its input, waits for its end, at most `grace`, then kills its group. Returns its exit code, if any, and the last
    /// part of its standard error (64 KiB at most).
    pub async fn end(mut self, grace: Duration) -> (Option<i32>, String) {
        drop(self.streams.take());
        let code = match within(grace, self.child.wait()).await {
            Some(Ok(status)) => status.code(),
            _ => {
                signal_group(self.pid, Signal::SIGKILL);
                self.child.wait().await.ok().and_then(|status| status.code())
            }
        };
        self.pid = None;
        (code, OutputReader::finish(self.stderr.take()).await)
    }
}

impl Drop for Session {
    /// Waits shortly, because the kernel ends all processes of a node with its first process, which takes some time.
    fn drop(&mut self) {
        if self.pid.is_none() {
            return;
        }
        signal_group(self.pid, Signal::SIGKILL);
        let mut looks = 0..REAPS;
        while looks.next().is_some() && matches!(self.child.try_wait(), Ok(None)) {
            let _ = poll(&mut [], REAP);
        }
    }
}

/// Starts `argv` in a separate session, with a closed input, both outputs appended to `log`, and `/` as its folder.
/// It continues when this process ends, and keeps none of this process's outputs open.
///
/// `setsid` of util-linux makes the child the leader of a new session and executes it in place, so the returned process id is
/// the child's.
///
/// # Errors
/// [`ExecError::NotStarted`] when it, or `setsid`, can't be started.
pub fn detach(argv: &[String], env: &[(String, String)], log: &File) -> Result<u32, ExecError> {
    let refuse = |error: std::io::Error| not_started(argv, error);
    let out = log.try_clone().map_err(refuse)?;
    let err = log.try_clone().map_err(refuse)?;
    // Checked here, because setsid's own "not found" would only be in the log.
    let program =
        which::which(&argv[0]).map_err(|error| refuse(std::io::Error::new(std::io::ErrorKind::NotFound, error)))?;
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
    let mut command = Command::new("setsid");
    command.arg(program).args(&argv[1..]).envs(env.iter().cloned()).current_dir("/");
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let child = command.spawn().map_err(refuse)?;
    child.id().ok_or_else(|| refuse(std::io::Error::other("it ended at once")))
}
