//! The rungs to a node: which privileges it takes, and the cure where the host refuses.

use std::fs;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, getegid, geteuid};
use plumbline_core::protocol::Fault;
use plumbline_netlink::{Errno, errno_text};

use super::arguments::Rung;

/// Takes the wanted rung, else the first that works. Afterwards the next child is PID 1 of a new PID namespace.
///
/// # Errors
/// A fault that names each rung tried and what would mend it.
pub fn take(wanted: Option<Rung>) -> Result<Rung, Fault> {
    let mut refused = Vec::new();
    for rung in [Rung::Root, Rung::User] {
        if wanted.is_some_and(|wanted| wanted != rung) {
            continue;
        }
        let tried = match rung {
            Rung::Root => root(),
            Rung::User => user(),
        };
        match tried {
            Ok(()) => return Ok(rung),
            Err(why) => refused.push(format!("rung {}: {why}", rung.name())),
        }
    }
    Err(Fault { doing: "make a private node".to_owned(), cause: refused.join("; "), gone: false })
}

fn root() -> Result<(), String> {
    if !geteuid().is_root() {
        return Err("not root".to_owned());
    }
    unshare(CloneFlags::CLONE_NEWPID).map_err(|errno| {
        format!("unshare the PID namespace: {} (root without CAP_SYS_ADMIN: grant it)", errno_text(errno))
    })
}

fn user() -> Result<(), String> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID)
        .map_err(|errno| format!("make a user namespace: {}; {}", errno_text(errno), cure(errno)))?;
    map(uid, gid).map_err(|(path, error)| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        format!("write {path}: {}; {}", errno_text(errno), cure(errno))
    })
}

/// Maps this user to root of the new namespace (`user_namespaces(7)`: an unprivileged process may map itself alone, and
/// the group only after giving up `setgroups`).
fn map(uid: Uid, gid: Gid) -> Result<(), (&'static str, std::io::Error)> {
    for (path, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {uid} 1")),
        ("/proc/self/gid_map", format!("0 {gid} 1")),
    ] {
        fs::write(path, text).map_err(|error| (path, error))?;
    }
    Ok(())
}

/// What to do about a refused user namespace, by what the host's settings say.
#[must_use]
pub fn cure(errno: Errno) -> String {
    let setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        return "AppArmor forbids unprivileged user namespaces here (Ubuntu 23.10 and later): run as root, or `sudo \
                sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
            .to_owned();
    }
    if setting("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        return "the host allows no user namespaces: run as root, or `sudo sysctl -w user.max_user_namespaces=15000`"
            .to_owned();
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return "the host allows user namespaces to root alone: run as root, or `sudo sysctl -w \
                kernel.unprivileged_userns_clone=1`"
            .to_owned();
    }
    match errno {
        Errno::ENOSPC => "the limit user.max_user_namespaces is reached: raise it, or end other users of it".to_owned(),
        Errno::EPERM | Errno::EACCES => "a seccomp filter or a security module forbids it (the default of container \
                                         engines): run as root with CAP_SYS_ADMIN, or start the container with \
                                         `--security-opt seccomp=unconfined`"
            .to_owned(),
        Errno::ENOSYS | Errno::EINVAL => "this kernel has no user namespaces: run as root".to_owned(),
        _ => "run as root".to_owned(),
    }
}
