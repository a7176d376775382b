//! The pause program of the hermetic node image: the first process of every pod, which keeps the pod's namespaces open
//! and does nothing else.
//!
//! It waits for signals with `sigwaitinfo(2)`, so it needs no handler and no polling:
//! - SIGTERM and SIGINT end it with exit code 0 (the kubelet sends SIGTERM when it deletes the pod);
//! - on SIGCHLD it reaps every child that has exited. If the pod shares its PID namespace, this program is PID 1 of that
//!   namespace, and the orphans of all containers become its children. Unreaped zombies would fill the process table.
//!
//! It blocks the signals first. PID 1 has no default action for signals, so a SIGTERM that arrives before the wait
//! must stay pending.
//!
//! `-v` or `--version` prints the version.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

const VERSION: &str = concat!("plumbline's pause, ", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "-v" || argument == "--version") {
        return match writeln!(stdout(), "{VERSION}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    match wait_for_end() {
        Ok(()) => ExitCode::SUCCESS,
        Err(errno) => {
            let _ = writeln!(stderr(), "pause: cannot wait for signals: {}", errno.desc());
            ExitCode::FAILURE
        }
    }
}

/// Waits until SIGTERM or SIGINT.
fn wait_for_end() -> Result<(), Errno> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGCHLD);
    signals.thread_block()?;
    // A child that this process inherited may have exited before the signals were blocked.
    reap_children();
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => reap_children(),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Reaps all children that have exited. One signal may stand for several of them.
fn reap_children() {
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    while let Ok(status) = waitid(Id::All, ended) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}
