//! Mounts, folders and links, with errors that name the path.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};
use plumbline_netlink::{Errno, errno_text};
use thiserror::Error;

/// A step of preparing a filesystem that the host refused.
#[derive(Debug, Error)]
#[error("{action}: {}", .source.raw_os_error().map_or_else(|| .source.to_string(), |code| errno_text(Errno::from_raw(code))))]
pub struct SetupError {
    action: String,
    source: io::Error,
}

impl SetupError {
    /// The step and what the system gives.
    pub fn new(action: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { action: action.into(), source: source.into() }
    }

    /// The errno, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        self.source.raw_os_error().map(Errno::from_raw)
    }
}

/// Creates a folder with its parents, unless it exists.
///
/// # Errors
/// With the path.
pub fn create_folder(path: &str) -> Result<(), SetupError> {
    fs::create_dir_all(path).map_err(|error| SetupError::new(format!("make folder {path}"), error))
}

/// Creates an empty file, over which another is bound.
///
/// # Errors
/// With the path.
pub fn create_file(path: &str) -> Result<(), SetupError> {
    File::create(path).map(drop).map_err(|error| SetupError::new(format!("make file {path}"), error))
}

/// Creates a symbolic link.
///
/// # Errors
/// With both paths.
pub fn create_link(to: impl AsRef<Path>, at: impl AsRef<Path>) -> Result<(), SetupError> {
    let (to, at) = (to.as_ref(), at.as_ref());
    symlink(to, at).map_err(|error| SetupError::new(format!("link {} to {}", at.display(), to.display()), error))
}

/// Mounts a new filesystem of a kind without a source.
///
/// # Errors
/// With kind and path.
pub fn mount_filesystem(kind: &str, at: &str, flags: MsFlags, data: Option<&str>) -> Result<(), SetupError> {
    mount(Some(kind), at, Some(kind), flags, data)
        .map_err(|errno| SetupError::new(format!("mount {kind} on {at}"), errno))
}

/// Binds a file or folder with everything mounted in it.
///
/// # Errors
/// With both paths.
pub fn bind_mount(from: &Path, at: &str) -> Result<(), SetupError> {
    mount(Some(from), at, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(|errno| SetupError::new(format!("bind {} to {at}", from.display()), errno))
}

/// Makes a mount read-only and keeps its other flags: in a user namespace they are locked, and a remount that drops
/// one is refused (`mount_namespaces(7)`).
///
/// # Errors
/// With the path.
pub fn make_read_only(at: &str) -> Result<(), SetupError> {
    let action = || format!("make {at} read-only");
    let flags_now = statvfs(at).map_err(|errno| SetupError::new(action(), errno))?.flags();
    if flags_now.contains(FsFlags::ST_RDONLY) {
        return Ok(());
    }
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    for (has, keep) in [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if flags_now.contains(has) {
            flags |= keep;
        }
    }
    mount(None::<&str>, at, None::<&str>, flags, None::<&str>).map_err(|errno| SetupError::new(action(), errno))
}

/// Makes all mounts at or below these paths read-only.
///
/// # Errors
/// With the path.
pub fn make_all_read_only(tops: &[String]) -> Result<(), SetupError> {
    let list = "/proc/self/mountinfo";
    let text = fs::read_to_string(list).map_err(|error| SetupError::new(format!("read {list}"), error))?;
    // The fifth field is the mount point (`proc_pid_mountinfo(5)`); spaces in it are written as \040.
    for at in text.lines().filter_map(|line| line.split(' ').nth(4)) {
        let at = at.replace("\\040", " ");
        let inside = tops
            .iter()
            .any(|top| at.strip_prefix(top.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        if inside {
            make_read_only(&at)?;
        }
    }
    Ok(())
}
