//! plumbline's stand-in for `terwayd`, which wants cloud interfaces and an account of the cloud. It does what terwayd does
//! with the chain of a node (see [`chain`]), stays until it is told to end, and says in its version and in its first line
//! what it is. It hands out no addresses: the stand-in of the CNI plugin takes them from a file of the node.
//!
//! It is called as the chart calls terwayd: `-log-level`, `-daemon-mode` and `-config` are taken and not used. Its own
//! `--shared` and `--node` name other folders, for tests. SIGTERM and SIGINT end it with exit code 0.

mod chain;

use nix::sys::signal::{SigSet, Signal};
use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

const VERSION: &str =
    concat!("plumbline's stand-in for terwayd, not upstream's, ", env!("CARGO_PKG_VERSION"), ": manages no interfaces");

/// Where the chart mounts what the init container made, and the node's folder.
const SHARED: &str = "/etc/cni/net.d";
const NODE: &str = "/host-etc-net.d";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut shared, mut node) = (PathBuf::from(SHARED), PathBuf::from(NODE));
    while let Some(word) = words.next() {
        match (word.as_str(), words.next()) {
            ("-v" | "--version" | "-version", _) => {
                return if writeln!(stdout(), "{VERSION}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            }
            ("-log-level" | "-daemon-mode" | "-config", Some(_)) => {}
            ("--shared", Some(path)) => shared = PathBuf::from(path),
            ("--node", Some(path)) => node = PathBuf::from(path),
            _ => return refuse(&format!("unknown argument {word}, or one without its value"), 2),
        }
    }
    tell(VERSION);
    match work(&shared, &node) {
        Ok(signal) => {
            tell(&format!("ended by {signal}"));
            ExitCode::SUCCESS
        }
        Err(cause) => refuse(&cause, 1),
    }
}

/// Hands the chain over, then waits for the end.
fn work(shared: &std::path::Path, node: &std::path::Path) -> Result<Signal, String> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    // Before all else: as PID 1 there is no default action, and one that comes early has to wait.
    signals.thread_block().map_err(|errno| format!("block signals: {}", errno.desc()))?;
    chain::hand_over(shared, node)?;
    tell("the chain is on the node");
    loop {
        match signals.wait() {
            Ok(signal) => return Ok(signal),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(format!("wait for signals: {}", errno.desc())),
        }
    }
}

fn refuse(cause: &str, code: u8) -> ExitCode {
    tell(cause);
    ExitCode::from(code)
}

fn tell(line: &str) {
    let _ = writeln!(stderr(), "plumbline-terwayd: {line}");
}
