//! Processes by id and start time, so that a process with a reused id is never mistaken for the recorded one.

use crate::error::TestbedError;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};

/// The start time of a process in clock ticks since boot (`/proc/PID/stat`, field 22, see proc(5));
/// none if there is no such process, or only its zombie.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may contain any characters, including brackets and blanks.
    let after = stat.rsplit_once(") ")?.1;
    let mut fields = after.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether the process with this id and start time still runs.
pub fn alive(pid: u32, start: u64) -> bool {
    start_time(pid) == Some(start)
}

/// Kills a process of Plumbline and its process group, if it is still the recorded process.
pub(super) fn end(pid: u32, start: u64) -> Result<(), TestbedError> {
    let Ok(raw) = i32::try_from(pid) else { return Ok(()) };
    if !alive(pid, start) {
        return Ok(());
    }
    let pid_of = Pid::from_raw(raw);
    let leads = getpgid(Some(pid_of)).is_ok_and(|group| group == pid_of);
    match if leads { killpg(pid_of, Signal::SIGKILL) } else { kill(pid_of, Signal::SIGKILL) } {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(TestbedError::new("end process", format!("kill {pid}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_under_its_own_start_time_only() {
        let pid = std::process::id();
        let start = start_time(pid).unwrap();
        assert!(alive(pid, start));
        assert!(!alive(pid, start + 1), "a reused id must not be mistaken");
    }
}
