//! The pause program of the hermetic node image: the first process of every pod, which holds the pod's namespaces open
//! and does nothing else.
//!
//! It waits for signals by `sigwaitinfo(2)`, so it needs no handler and no polling:
//! - SIGTERM and SIGINT end it with exit code 0 (the kubelet sends SIGTERM when the pod goes);
//! - SIGCHLD makes it collect every child that has ended. Where the pod shares its PID namespace this program is PID 1
//!   of it, and the orphans of all containers become its children; uncollected they would fill the table of processes.
//!
//! Signals are blocked before anything else: PID 1 gets no default action, so a SIGTERM that arrives before the wait
//! has to be kept pending, not dropped.
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
    match hold() {
        Ok(()) => ExitCode::SUCCESS,
        Err(errno) => {
            let _ = writeln!(stderr(), "pause: cannot wait for signals: {}", errno.desc());
            ExitCode::FAILURE
        }
    }
}

/// Waits until SIGTERM or SIGINT.
fn hold() -> Result<(), Errno> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGCHLD);
    signals.thread_block()?;
    // A child that this process was started with may have ended before its signal was kept.
    collect();
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => collect(),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Collects all children that have ended; several may have ended for one signal.
fn collect() {
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    while let Ok(status) = waitid(Id::All, ended) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}
