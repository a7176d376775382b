//! Starting a process: the only file of the agent that does it.
//!
//! `plumbline_testbed::exec` is asynchronous, and the agent has one thread.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use plumbline_netlink::Errno;

/// The search path of every process that the agent starts: on a bare node no shell profile sets one.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin";

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Program and arguments; a program without a slash is looked up in [`PATH`].
    pub argv: Vec<String>,
    /// Environment beside `PATH`.
    pub env: Vec<(String, String)>,
    /// Whether standard input is a pipe; otherwise it is `/dev/null`.
    pub piped_stdin: bool,
}

/// Starts a process in a process group of its own, with pipes for its output.
///
/// # Errors
/// What fork and exec give: `ENOENT` also when the interpreter or loader of an existing file is missing.
pub fn start_program(program: &Program) -> io::Result<Child> {
    if program.argv[0].contains('/') {
        check_executable(Path::new(&program.argv[0]))?;
    }
    let mut command = new_command(&program.argv[0]);
    command
        .args(&program.argv[1..])
        .env_clear()
        .env("PATH", PATH)
        .envs(program.env.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(if program.piped_stdin { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command.spawn()
}

/// Starts the agent in another mode, with the standard streams of this process.
///
/// # Errors
/// What fork and exec give.
pub fn start_agent(arguments: &[String]) -> io::Result<Child> {
    new_command("/proc/self/exe").args(arguments).spawn()
}

/// Starts the agent in another mode, with pipes for all three standard streams.
///
/// # Errors
/// What fork and exec give.
pub fn start_agent_piped(arguments: &[String]) -> io::Result<Child> {
    let mut command = new_command("/proc/self/exe");
    command.args(arguments).env_clear().env("PATH", PATH);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// A command to build: the only call of `Command::new` in the agent.
#[expect(clippy::disallowed_methods, reason = "the agent is single-threaded and does not link plumbline-testbed")]
pub fn new_command(program: &str) -> Command {
    Command::new(program)
}

/// `e_machine` of programs that this machine may run (`elf.h`): its own and that of its 32-bit predecessor.
const MACHINES: &[u16] = if cfg!(target_arch = "x86_64") {
    &[62, 3]
} else if cfg!(target_arch = "aarch64") {
    &[183, 40]
} else {
    &[]
};

/// Refuses a file that is neither a script with an interpreter nor a program for this machine.
///
/// The C library's `execvp`, which the standard library calls, passes to `/bin/sh` every file that the kernel refuses
/// with `ENOEXEC` (`exec(3)`). A plugin built for another architecture would run as a shell script, and its failure
/// would look like the plugin's own. libcni does not do that, so the agent checks the head of the file first.
///
/// # Errors
/// `ENOEXEC`, as from the kernel. Errors of opening the file are left to the start, which gives the same ones.
fn check_executable(path: &Path) -> io::Result<()> {
    let mut head = Vec::new();
    let Ok(file) = File::open(path) else { return Ok(()) };
    file.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    if is_executable(&head) { Ok(()) } else { Err(Errno::ENOEXEC.into()) }
}

const HEAD_BYTES: usize = 20;

fn is_executable(head: &[u8]) -> bool {
    match head {
        [b'#', b'!', ..] => true,
        // The machine is in the file's own byte order, and all supported machines are little-endian.
        [0x7f, b'E', b'L', b'F', _, 1, .., low, high] if head.len() == HEAD_BYTES => {
            MACHINES.is_empty() || MACHINES.contains(&u16::from_le_bytes([*low, *high]))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scripts_and_programs_of_this_machine_are_executable() {
        assert!(check_executable(Path::new("/proc/self/exe")).is_ok());
        assert!(is_executable(b"#!/bin/sh\necho"));
        assert!(!is_executable(b"echo without an interpreter"));
        assert!(!is_executable(b""));
        let mut foreign = std::fs::read("/proc/self/exe").unwrap();
        foreign[18] = 0xff;
        assert!(!is_executable(&foreign[..HEAD_BYTES]));
    }
}
