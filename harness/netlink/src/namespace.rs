//! Network namespaces: opening, entering, comparing, and going into one and back.
//!
//! `setns` with a network namespace changes the calling thread only. The programs that use this crate have one thread;
//! in a program with more, the others stay where they were.

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
/// [`Error::Io`] with the path. That the file is a network namespace is found out by [`enter`] alone.
pub fn open(path: impl AsRef<Path>) -> Result<OwnedFd> {
    let path = path.as_ref();
    let file =
        File::open(path).map_err(|source| Error::io(format!("open network namespace {}", path.display()), source))?;
    Ok(file.into())
}

/// Opens the network namespace that this thread is in now.
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

/// Opens the network namespace at `path` and moves this thread into it, for good.
pub fn enter_path(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    setns(open(path)?, CloneFlags::CLONE_NEWNET)
        .map_err(|errno| Error::io(format!("enter network namespace {}", path.display()), errno))
}

/// Whether two files are the same namespace (same device and inode, `ioctl_ns(2)`).
pub fn same(one: impl AsFd, other: impl AsFd) -> Result<bool> {
    let identity = |file| {
        fstat(file)
            .map(|status| (status.st_dev, status.st_ino))
            .map_err(|errno| Error::io("look at a namespace's file", errno))
    };
    Ok(identity(one.as_fd())? == identity(other.as_fd())?)
}

/// Runs `work` with this thread inside `namespace`, and brings the thread back, also when `work` panics.
///
/// # Errors
/// What `work` gives; [`Error::Stranded`] if there is no way back, which is more important than the outcome of `work`.
pub fn with_netns<T, E: From<Error>>(
    namespace: impl AsFd,
    work: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let mut way_back = WayBack { home: Some(current()?) };
    enter(namespace)?;
    let outcome = work();
    way_back.take()?;
    outcome
}

/// Holds the namespace to return to; returns at the latest when dropped.
struct WayBack {
    home: Option<OwnedFd>,
}

impl WayBack {
    fn take(&mut self) -> Result<()> {
        match self.home.take() {
            Some(home) => setns(home, CloneFlags::CLONE_NEWNET).map_err(|errno| Error::Stranded { errno }),
            None => Ok(()),
        }
    }
}

impl Drop for WayBack {
    fn drop(&mut self) {
        // Reached with something to do only after a panic or a refused entry; the error of either is already on its way.
        let _ = self.take();
    }
}
