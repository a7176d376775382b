//! plumbline's stand-in for `terwayd`, which needs cloud interfaces and a cloud account. It copies the chain onto the node as
//! terwayd does (see [`copy_chain`]) and then waits for a signal. Its version and its first line of output name it as a
//! stand-in. It allocates no addresses: the stand-in for the CNI plugin takes them from a file of the node.
//!
//! It is called as the chart calls terwayd: `-log-level`, `-daemon-mode` and `-config` are accepted and ignored. Its own
//! `--shared` and `--node` name other folders, for tests. SIGTERM and SIGINT end it with exit code 0.

mod copy_chain;

use copy_chain::{CopyChainError, copy_chain};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

const VERSION: &str =
    concat!("plumbline's stand-in for terwayd, not upstream's, ", env!("CARGO_PKG_VERSION"), ": manages no interfaces");

/// The mount paths of the chart: the folder of the init container's chain, and the node's folder.
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
            _ => return fail(&format!("argument {word} is unknown or has no value"), 2),
        }
    }
    log(VERSION);
    match run(&shared, &node) {
        Ok(signal) => {
            log(&format!("ended by {signal}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string(), 1),
    }
}

/// Why the program ends early.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("block signals: {}", .0.desc())]
    BlockSignals(Errno),
    #[error("wait for signals: {}", .0.desc())]
    WaitForSignals(Errno),
    #[error(transparent)]
    CopyChain(#[from] CopyChainError),
}

/// Copies the chain, then waits for a signal.
fn run(shared: &std::path::Path, node: &std::path::Path) -> Result<Signal, RunError> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    // First: PID 1 has no default action for signals, so an early signal must stay pending.
    signals.thread_block().map_err(RunError::BlockSignals)?;
    copy_chain(shared, node)?;
    log("the chain is on the node");
    loop {
        match signals.wait() {
            Ok(signal) => return Ok(signal),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(RunError::WaitForSignals(errno)),
        }
    }
}

fn fail(cause: &str, code: u8) -> ExitCode {
    log(cause);
    ExitCode::from(code)
}

fn log(line: &str) {
    let _ = writeln!(stderr(), "plumbline-terwayd: {line}");
}
