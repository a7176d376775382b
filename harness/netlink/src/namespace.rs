//! Network namespaces: opening, entering, comparing, and running work inside one.
//!
//! `setns` with a network namespace changes the calling thread only. The programs that use this crate have one thread;
//! in a program with more, the others stay in their namespaces.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::sched::{CloneFlags, setns};
use nix::sys::stat::fstat;

use crate::error::{Error, Result};

/// This thread's own namespaces (`proc_pid_ns(5)`).
const OWN: &str = "/proc/thread-self/ns/net";

/// Opens the file of a network namespace, such as `/run/netns/pod` or `/proc/42/ns/net`.
///
/// # Errors
/// [`Error::Io`] with the path. Whether the file is a network namespace is checked by [`enter`] only.
pub fn open(path: impl AsRef<Path>) -> Result<OwnedFd> {
    let path = path.as_ref();
    let file =
        File::open(path).map_err(|source| Error::io(format!("open network namespace {}", path.display()), source))?;
    Ok(file.into())
}

/// Opens the current network namespace of this thread.
pub fn current() -> Result<OwnedFd> {
    open(OWN)
}

/// Moves this thread into a network namespace, for good.
///
/// # Errors
/// [`Error::Io`]: `EINVAL` if the file is no network namespace, `EPERM` without `CAP_SYS_ADMIN` in its user namespace.
pub fn enter(namespace: impl AsFd) -> Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET).map_err(|errno| Error::io("enter network namespace", errno))
}

/// Device and inode of a namespace, which identify it (`ioctl_ns(2)`).
pub fn identity(namespace: impl AsFd) -> Result<(u64, u64)> {
    let status = fstat(namespace).map_err(|errno| Error::io("read the status of a network namespace", errno))?;
    Ok((status.st_dev, status.st_ino))
}

/// Whether two files are the same namespace.
pub fn same(one: impl AsFd, other: impl AsFd) -> Result<bool> {
    Ok(identity(one)? == identity(other)?)
}

/// Runs `work` with this thread inside `namespace`, and returns to the previous one, also when `work` panics.
///
/// # Errors
/// What `work` gives; [`Error::Stranded`] if there is no way back, which is more important than the outcome of `work`.
pub fn with_netns<T, E: From<Error>>(
    namespace: impl AsFd,
    work: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let mut guard = ReturnGuard { home: Some(current()?) };
    enter(namespace)?;
    let outcome = work();
    guard.return_home()?;
    outcome
}

/// The namespace to return to; returns at the latest when dropped.
struct ReturnGuard {
    home: Option<OwnedFd>,
}

impl ReturnGuard {
    fn return_home(&mut self) -> Result<()> {
        match self.home.take() {
            Some(home) => setns(home, CloneFlags::CLONE_NEWNET).map_err(|errno| Error::Stranded { errno }),
            None => Ok(()),
        }
    }
}

impl Drop for ReturnGuard {
    fn drop(&mut self) {
        // Returns here only after a panic or a refused entry, whose error the caller gets.
        let _ = self.return_home();
    }
}
