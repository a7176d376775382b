//! Tests of the program itself: how it ends, and that it reaps its children.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PAUSE: &str = env!("CARGO_BIN_EXE_plumbline-pause");

/// Long enough for a program that does nothing else.
const DEADLINE: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "a test of one small program, without the harness and its exec")]
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("PAUSE", PAUSE).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// A started script that does not outlive the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.spawn()?))
    }

    /// Waits until the script has executed the program and the program sleeps. It sleeps only while it waits for signals.
    fn await_sleep(&self) -> Result<()> {
        let status = format!("/proc/{}/status", self.0.id());
        let sleeps = || {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            text.starts_with("Name:\tplumbline-pause\n") && text.contains("\nState:\tS")
        };
        wait_until(sleeps, "the program to sleep")
    }

    /// Sends a signal and returns the exit code.
    fn stop_with(&mut self, signal: Signal) -> Result<Option<i32>> {
        kill(Pid::from_raw(i32::try_from(self.0.id())?), signal)?;
        Ok(self.0.wait()?.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if the test has already stopped the program.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn check_end_by(signal: Signal) -> Result<()> {
    let mut running = Running::start(&mut shell("exec \"$PAUSE\""))?;
    running.await_sleep()?;
    let code = running.stop_with(signal)?;
    ensure!(code == Some(0), "{signal}: {code:?}");
    Ok(())
}

/// Polls, because procfs sends no notifications.
fn wait_until(true_by_now: impl Fn() -> bool, what: &str) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while !true_by_now() {
        ensure!(Instant::now() < deadline, "waited {DEADLINE:?} for {what}");
        std::thread::yield_now();
    }
    Ok(())
}

#[test]
fn sigterm_ends_the_program_with_exit_code_0() -> Result<()> {
    check_end_by(Signal::SIGTERM)
}

#[test]
fn sigint_ends_the_program_with_exit_code_0() -> Result<()> {
    check_end_by(Signal::SIGINT)
}

/// The first child exits before the program waits, the second one exits while it waits.
#[test]
fn exited_children_are_reaped() -> Result<()> {
    let script = "exec 3<&0; sh -c 'echo $$' & sh -c 'echo $$; read line' <&3 & exec \"$PAUSE\" >&- 3<&-";
    let (reader, writer) = std::io::pipe()?;
    let mut running = Running::start(shell(script).stdin(reader))?;
    running.await_sleep()?;
    drop(writer);
    let mut text = String::new();
    running.0.stdout.take().context("no output")?.read_to_string(&mut text)?;
    let ids = text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    ensure!(ids.len() == 2, "expected the process ids of two children, found {text:?}");
    for id in ids {
        let entry = format!("/proc/{id}");
        wait_until(|| !Path::new(&entry).exists(), &format!("child {id} to be reaped"))?;
    }
    ensure!(running.stop_with(Signal::SIGTERM)? == Some(0));
    Ok(())
}

#[test]
fn the_option_v_prints_the_version() -> Result<()> {
    let output = shell("exec \"$PAUSE\" -v").output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(text.starts_with("plumbline's pause, ") && output.status.success(), "{text}");
    Ok(())
}
