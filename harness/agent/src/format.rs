//! Whether the kernel will take a file as a program.
//!
//! The C library's `execvp`, which Rust's standard library calls, hands to `/bin/sh` whatever the kernel refuses as no
//! program (`exec(3)`). A plugin built for another architecture would so be read as a shell script, and its failure
//! would look like the plugin's own. libcni has no such detour, so the file's head is looked at before.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use plumbline_netlink::Errno;

/// `e_machine` of programs that this machine may run (`elf.h`): its own and its 32-bit forebear's.
const MACHINES: &[u16] = if cfg!(target_arch = "x86_64") {
    &[62, 3]
} else if cfg!(target_arch = "aarch64") {
    &[183, 40]
} else {
    &[]
};

/// Refuses what is neither a script with an interpreter nor a program for this machine.
///
/// # Errors
/// `ENOEXEC`, as the kernel would say; errors of opening are left to the start itself, which gives the same.
pub fn check(path: &Path) -> io::Result<()> {
    let mut head = [0; 20];
    let Ok(mut file) = File::open(path) else { return Ok(()) };
    let mut length = 0;
    while length < head.len() {
        match file.read(&mut head[length..])? {
            0 => break,
            more => length += more,
        }
    }
    if is_program(&head[..length]) { Ok(()) } else { Err(Errno::ENOEXEC.into()) }
}

fn is_program(head: &[u8]) -> bool {
    match head {
        [b'#', b'!', ..] => true,
        // The machine is in the file's own byte order, and all of ours are little-endian.
        [0x7f, b'E', b'L', b'F', _, 1, .., low, high] if head.len() == 20 => {
            MACHINES.is_empty() || MACHINES.contains(&u16::from_le_bytes([*low, *high]))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_programs_and_scripts_are_let_through_and_nothing_else() {
        assert!(check(Path::new("/proc/self/exe")).is_ok());
        assert!(is_program(b"#!/bin/sh\necho"));
        assert!(!is_program(b"echo without an interpreter"));
        assert!(!is_program(b""));
        let mut foreign = std::fs::read("/proc/self/exe").unwrap();
        foreign[18] = 0xff;
        assert!(!is_program(&foreign[..20]));
    }
}
