//! Tests of the program itself: it is called as in the chart and stopped as by the kubelet.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[expect(clippy::disallowed_methods, reason = "a test of one small program, without the harness and its exec")]
fn daemon_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumbline-terwayd"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running daemon that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if the test has already stopped the daemon.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

#[test]
fn the_daemon_copies_the_chain_names_itself_a_stand_in_and_ends_on_sigterm() -> Result<()> {
    let (shared, node) = (tempfile::tempdir()?, tempfile::tempdir()?);
    std::fs::write(shared.path().join("10-terway.conflist"), "{}")?;
    let mut arguments = vec!["-log-level", "info", "-daemon-mode", "ENIMultiIP", "-config", "/etc/eni/eni_conf"];
    arguments.extend(["--shared", text(shared.path()), "--node", text(node.path())]);
    let mut running = Running(daemon_command(&arguments).spawn()?);
    let mut lines = BufReader::new(running.0.stderr.take().context("no standard error")?).lines();
    let first = lines.next().context("no first line")??;
    ensure!(first.contains("stand-in for terwayd"), "the first line does not name the stand-in: {first}");
    let second = lines.next().context("no second line")??;
    ensure!(second.ends_with("the chain is on the node"), "{second}");
    ensure!(std::fs::read_to_string(node.path().join("10-terway.conflist"))? == "{}", "the chain is not on the node");
    kill(Pid::from_raw(i32::try_from(running.0.id())?), Signal::SIGTERM)?;
    ensure!(running.0.wait()?.code() == Some(0), "expected exit code 0 after SIGTERM");
    Ok(())
}

#[test]
fn without_a_chain_the_daemon_fails_and_names_the_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ended = daemon_command(&["--shared", text(folder.path()), "--node", text(folder.path())]).output()?;
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(ended.status.code() == Some(1) && stderr.contains("10-terway.conflist"), "{stderr}");
    Ok(())
}

#[test]
fn an_unknown_argument_is_refused_and_the_version_names_the_stand_in() -> Result<()> {
    ensure!(daemon_command(&["-kubeconfig", "/x"]).output()?.status.code() == Some(2));
    let version = String::from_utf8(daemon_command(&["--version"]).output()?.stdout)?;
    ensure!(version.contains("stand-in for terwayd, not upstream's"), "{version}");
    Ok(())
}
