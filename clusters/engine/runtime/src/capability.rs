//! Capabilities by name and number, and the set that this host allows.
//!
//! harness/testbed includes this file too (`probe.rs` there), so that both have the same names.

use std::io::{Error, Result};

/// Names by number, as in linux/capability.h (CAP_CHOWN is 0).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A set of capabilities as the kernel prints it: bit N is capability number N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set(pub u64);

impl Set {
    /// Whether `name` (`CAP_SYS_ADMIN`) has a known number that is not in the set. False for an unknown name: runc may
    /// know it.
    pub fn lacks(self, name: &str) -> bool {
        self.lacking().contains(&name)
    }

    /// The names of the capabilities that are not in the set, ordered by number.
    pub fn lacking(self) -> Vec<&'static str> {
        NAMES.iter().enumerate().filter(|(number, _)| self.0 & (1 << number) == 0).map(|(_, name)| *name).collect()
    }
}

/// The bounding set of this process: the line `CapBnd` of /proc/self/status (proc(5)).
///
/// # Errors
/// When the file can't be read or has no such line.
pub fn bounding_set() -> Result<Set> {
    parse(&std::fs::read_to_string("/proc/self/status")?)
}

fn parse(status: &str) -> Result<Set> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let hex = line.ok_or_else(|| Error::other("/proc/self/status has no line CapBnd"))?.trim();
    let bits = u64::from_str_radix(hex, 16);
    bits.map(Set).map_err(|error| Error::other(format!("CapBnd of /proc/self/status is {hex}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounding_set_is_read_as_bits() {
        let set = parse("Name:\tx\nCapBnd:\t000001fffeffffff\nNoNewPrivs:\t0\n").unwrap();
        assert!(set.lacks("CAP_SYS_RESOURCE"));
        assert!(!set.lacks("CAP_SYS_ADMIN") && !set.lacks("CAP_CHOWN") && !set.lacks("CAP_CHECKPOINT_RESTORE"));
        assert!(!set.lacks("CAP_OF_A_LATER_KERNEL"));
        assert!(parse("Name:\tx\n").is_err());
    }
}
