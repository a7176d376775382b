//! The privileges of a private node: rootful or rootless, and the fix where the host refuses both.

use std::{fs, io};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, getegid, geteuid};
use plumbline_netlink::{Errno, errno_text};
use thiserror::Error;

/// How a private node gets its namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// With the privileges of this process, which is root.
    Rootful,
    /// With a user namespace.
    Rootless,
}

impl Privileges {
    /// Both, in the order in which they are tried.
    pub const ALL: [Self; 2] = [Self::Rootful, Self::Rootless];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rootful => "rootful",
            Self::Rootless => "rootless",
        }
    }

    /// The privileges of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Why a private node is not possible with these privileges.
#[derive(Debug, Error)]
pub enum PrivilegesError {
    /// The process is not root.
    #[error("not root")]
    NotRoot,
    /// Root lacks a capability.
    #[error("unshare the PID namespace: {} (fix: grant CAP_SYS_ADMIN)", errno_text(*.0))]
    PidNamespace(#[source] Errno),
    /// The host refuses the user namespace.
    #[error("make a user namespace: {}; fix: {}", errno_text(*.0), find_hint(*.0))]
    UserNamespace(#[source] Errno),
    /// The host refuses the mapping of the user.
    #[error("write {path}: {}; fix: {}", errno_text(errno_of(.source)), find_hint(errno_of(.source)))]
    Mapping {
        /// The file below `/proc`.
        path: &'static str,
        /// What the system gives.
        source: io::Error,
    },
    /// All that were tried are refused.
    #[error("{}", .0.iter().map(|(privileges, error)| format!("{}: {error}", privileges.name())).collect::<Vec<_>>().join("; "))]
    AllRefused(Vec<(Privileges, PrivilegesError)>),
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

/// Enters the first namespaces of a node with the requested privileges, otherwise with the first that work. The next child
/// is PID 1 of a new PID namespace then.
///
/// # Errors
/// Each refusal with its fix.
pub fn acquire_privileges(requested: Option<Privileges>) -> Result<Privileges, PrivilegesError> {
    let mut refusals = Vec::new();
    for privileges in Privileges::ALL {
        if requested.is_some_and(|requested| requested != privileges) {
            continue;
        }
        let result = match privileges {
            Privileges::Rootful => enter_as_root(),
            Privileges::Rootless => enter_as_user(),
        };
        match result {
            Ok(()) => return Ok(privileges),
            Err(error) => refusals.push((privileges, error)),
        }
    }
    Err(PrivilegesError::AllRefused(refusals))
}

fn enter_as_root() -> Result<(), PrivilegesError> {
    if !geteuid().is_root() {
        return Err(PrivilegesError::NotRoot);
    }
    unshare(CloneFlags::CLONE_NEWPID).map_err(PrivilegesError::PidNamespace)
}

fn enter_as_user() -> Result<(), PrivilegesError> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID).map_err(PrivilegesError::UserNamespace)?;
    map_user(uid, gid)
}

/// Maps this user to root of the new namespace. An unprivileged process may map itself only, and its group only after it
/// gives up `setgroups` (`user_namespaces(7)`).
fn map_user(uid: Uid, gid: Gid) -> Result<(), PrivilegesError> {
    for (path, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {uid} 1")),
        ("/proc/self/gid_map", format!("0 {gid} 1")),
    ] {
        fs::write(path, text).map_err(|source| PrivilegesError::Mapping { path, source })?;
    }
    Ok(())
}

/// The fix for a refused user namespace, by the host's settings.
pub fn find_hint(errno: Errno) -> String {
    let read_setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let is = |path: &str, value: &str| read_setting(path).as_deref() == Some(value);
    let hint = if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        "run as root, or `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (AppArmor forbids unprivileged \
         user namespaces here, as on Ubuntu 23.10 and later)"
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        "run as root, or `sudo sysctl -w user.max_user_namespaces=15000` (the host allows no user namespaces)"
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "run as root, or `sudo sysctl -w kernel.unprivileged_userns_clone=1` (the host allows user namespaces to root only)"
    } else {
        match errno {
            Errno::ENOSPC => {
                "raise user.max_user_namespaces, or end processes that use user namespaces (the limit is reached)"
            }
            Errno::EPERM | Errno::EACCES => {
                "run as root with CAP_SYS_ADMIN, or start the container with `--security-opt seccomp=unconfined` (a \
                 seccomp filter or a security module forbids user namespaces, as container engines do by default)"
            }
            Errno::ENOSYS | Errno::EINVAL => "run as root (this kernel has no user namespaces)",
            _ => "run as root",
        }
    };
    hint.to_owned()
}
