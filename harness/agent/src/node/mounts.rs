//! Mounting, with errors that name the path.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};
use plumbline_netlink::{Errno, errno_text};

/// A step of making the root that the host refused.
#[derive(Debug)]
pub struct Refused {
    /// The step.
    pub doing: String,
    /// The errno, where there is one.
    pub errno: Option<Errno>,
    /// What went wrong.
    pub cause: String,
}

impl Refused {
    /// From an errno.
    pub fn errno(doing: impl Into<String>, errno: Errno) -> Self {
        Self { doing: doing.into(), errno: Some(errno), cause: errno_text(errno) }
    }

    /// From an input or output error.
    pub fn io(doing: impl Into<String>, error: &std::io::Error) -> Self {
        let errno = error.raw_os_error().map(Errno::from_raw);
        Self { doing: doing.into(), errno, cause: errno.map_or_else(|| error.to_string(), errno_text) }
    }
}

/// Makes a folder with its parents; one that is there is fine.
///
/// # Errors
/// With the path.
pub fn folder(path: &str) -> Result<(), Refused> {
    fs::create_dir_all(path).map_err(|error| Refused::io(format!("make folder {path}"), &error))
}

/// Makes an empty file, to be bound over.
///
/// # Errors
/// With the path.
pub fn file(path: &str) -> Result<(), Refused> {
    File::create(path).map(drop).map_err(|error| Refused::io(format!("make file {path}"), &error))
}

/// Makes a symbolic link.
///
/// # Errors
/// With both paths.
pub fn link(to: impl AsRef<Path>, at: impl AsRef<Path>) -> Result<(), Refused> {
    let (to, at) = (to.as_ref(), at.as_ref());
    symlink(to, at).map_err(|error| Refused::io(format!("link {} to {}", at.display(), to.display()), &error))
}

/// Mounts a new filesystem of a kind that has no source.
///
/// # Errors
/// With kind and path.
pub fn fresh(kind: &str, at: &str, flags: MsFlags, data: Option<&str>) -> Result<(), Refused> {
    mount(Some(kind), at, Some(kind), flags, data)
        .map_err(|errno| Refused::errno(format!("mount {kind} on {at}"), errno))
}

/// Binds a file or folder with everything mounted in it.
///
/// # Errors
/// With both paths.
pub fn bind(from: &Path, at: &str) -> Result<(), Refused> {
    mount(Some(from), at, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(|errno| Refused::errno(format!("bind {} to {at}", from.display()), errno))
}

/// Makes a mount read-only. Its other flags stay: in a user namespace they are locked, and a remount that would drop
/// one is refused (`mount_namespaces(7)`).
///
/// # Errors
/// With the path.
pub fn seal(at: &str) -> Result<(), Refused> {
    let doing = || format!("make {at} read-only");
    let now = statvfs(at).map_err(|errno| Refused::errno(doing(), errno))?.flags();
    if now.contains(FsFlags::ST_RDONLY) {
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
        if now.contains(has) {
            flags |= keep;
        }
    }
    mount(None::<&str>, at, None::<&str>, flags, None::<&str>).map_err(|errno| Refused::errno(doing(), errno))
}

/// Makes everything mounted at or below the given paths read-only, by what the kernel lists as mounted.
///
/// # Errors
/// With the path.
pub fn seal_below(tops: &[String]) -> Result<(), Refused> {
    let list = "/proc/self/mountinfo";
    let text = fs::read_to_string(list).map_err(|error| Refused::io(format!("read {list}"), &error))?;
    // The fifth field is the mount point (`proc_pid_mountinfo(5)`); blanks in it are written as \040.
    for at in text.lines().filter_map(|line| line.split(' ').nth(4)) {
        let at = at.replace("\\040", " ");
        let inside = tops
            .iter()
            .any(|top| at.strip_prefix(top.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        if inside {
            seal(&at)?;
        }
    }
    Ok(())
}
