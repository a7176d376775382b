//! Starting a process: the one place where the agent does it.
//!
//! `plumbline_testbed::exec` is not for the agent: it is asynchronous, and this program has one thread.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::format;

/// The search path of whatever the agent starts: a bare node has no shell profile to set one.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin";

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Program and arguments; a program without a slash is looked up in [`PATH`].
    pub argv: Vec<String>,
    /// Environment beside `PATH`.
    pub env: Vec<(String, String)>,
    /// Whether it is given a pipe as standard input; else it reads `/dev/null`.
    pub fed: bool,
}

/// Starts a process in a process group of its own, with pipes for its output.
///
/// # Errors
/// What fork and exec give: `ENOENT` also when the interpreter or loader of an existing file is missing.
pub fn spawn(program: &Program) -> io::Result<Child> {
    if program.argv[0].contains('/') {
        format::check(Path::new(&program.argv[0]))?;
    }
    let mut command = command(&program.argv[0]);
    command
        .args(&program.argv[1..])
        .env_clear()
        .env("PATH", PATH)
        .envs(program.env.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(if program.fed { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command.spawn()
}

/// Starts this program again in another mode, with the same standard streams.
///
/// # Errors
/// What fork and exec give.
pub fn again(arguments: &[String]) -> io::Result<Child> {
    command("/proc/self/exe").args(arguments).spawn()
}

/// As [`again`], with pipes for all three standard streams.
///
/// # Errors
/// What fork and exec give.
pub fn again_piped(arguments: &[String]) -> io::Result<Child> {
    let mut command = command("/proc/self/exe");
    command.args(arguments).env_clear().env("PATH", PATH);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Begins a command: the one place where this program does.
#[expect(clippy::disallowed_methods, reason = "the agent is single-threaded and links no bed")]
pub fn command(program: &str) -> Command {
    Command::new(program)
}
