//! The real plugin, called as the wrapper was called.

use std::ffi::OsStr;
use std::io::{Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Instant;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use plumbline_core::cni::Exit;
use plumbline_core::record::Recorded;

use super::deed;
use crate::exit::Failure;
use crate::spawn;

/// The mode of [`become_plugin`].
pub const BOUND: &str = "record-plugin";

/// Runs the plugin to its end with the wrapper's own arguments and environment, and notes down what it did.
///
/// # Errors
/// [`Failure::Internal`] when it can't be started: the wrapper's set-up is wrong then.
pub fn through(plugin: &Path, stdin: &[u8], recorded: &mut Recorded) -> Result<Output, Failure> {
    // A file, not a pipe: a plugin that reads late, or never, holds nobody up.
    let mut input: std::fs::File =
        memfd_create("plugin-stdin", MFdFlags::MFD_CLOEXEC).map_err(std::io::Error::from)?.into();
    input.write_all(stdin)?;
    input.rewind()?;
    let start = Instant::now();
    let mut command = spawn::command("/proc/self/exe");
    command.args([OsStr::new(BOUND), plugin.as_os_str()]).args(std::env::args_os().skip(1));
    let ended = command.stdin(Stdio::from(input)).output();
    let ended = ended.map_err(|error| Failure::Internal(format!("start {}: {error}", plugin.display())))?;
    recorded.duration_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    recorded.stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    recorded.stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    recorded.exit = Some(match (ended.status.code(), ended.status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    });
    Ok(ended)
}

/// Becomes the plugin, bound to the life of the wrapper: a runtime that gives up kills the process it started alone.
///
/// # Errors
/// [`Failure::Internal`] when it can't be started.
pub fn become_plugin(arguments: &[String]) -> Result<u8, Failure> {
    let [plugin, rest @ ..] = arguments else {
        return Err(Failure::Usage(format!("{BOUND} is started by the wrapper alone")));
    };
    set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from)?;
    let error = spawn::command(plugin).args(rest).exec();
    Err(Failure::Internal(format!("start {plugin}: {error}")))
}

/// Says what the plugin said and ends as it ended.
///
/// # Errors
/// What writing gives.
pub fn pass_on(ended: &Output) -> Result<u8, Failure> {
    deed::say(&ended.stdout, &ended.stderr)?;
    match (ended.status.code(), ended.status.signal()) {
        (Some(code), _) => Ok(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => deed::by_signal(signal.unwrap_or_default()),
    }
}
