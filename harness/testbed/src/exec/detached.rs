//! Processes that outlive us: the engine on a bare host.

use super::command::not_started;
use super::transcript::ExecError;
use std::fs::File;
use std::process::Stdio;
use tokio::process::Command;

/// Starts `argv` in a session of its own, with a closed input, both outputs appended to `log`, and `/` as its folder.
/// It lives on when we end, and nobody who waits for the end of our outputs waits for it.
///
/// The child becomes the leader of a new session by `setsid` of util-linux, which execs it in place, so the process
/// id given is its own.
///
/// # Errors
/// [`ExecError::NotStarted`] when it, or `setsid`, can't be started.
pub fn detach(argv: &[String], env: &[(String, String)], log: &File) -> Result<u32, ExecError> {
    let refuse = |error: std::io::Error| not_started(argv, error);
    let out = log.try_clone().map_err(refuse)?;
    let err = log.try_clone().map_err(refuse)?;
    // setsid's own "not found" would only show up in the log.
    let program =
        which::which(&argv[0]).map_err(|error| refuse(std::io::Error::new(std::io::ErrorKind::NotFound, error)))?;
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
    let mut command = Command::new("setsid");
    command.arg(program).args(&argv[1..]).envs(env.iter().cloned()).current_dir("/");
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let child = command.spawn().map_err(refuse)?;
    child.id().ok_or_else(|| refuse(std::io::Error::other("it ended at once")))
}
