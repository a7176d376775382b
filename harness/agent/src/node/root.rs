//! The root of the private node: a tmpfs with the host's programs bound in, read-only. What plugins write to (`/run`,
//! `/var/lib/cni`, `/etc/cni`, `/tmp`) is the node's own.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::arguments::Arguments;
use super::mounts::{
    SetupError, bind_mount, create_file, create_folder, create_link, make_all_read_only, mount_filesystem,
};
use super::plugins::{Plugins, bind_plugins};
use crate::namespaces::named::PODS;

/// Where the host's root is while the new one is built.
const HOST_ROOT: &str = "/.old";

/// Folders of programs and libraries; some distributions have all of them in `/nix`.
const PROGRAMS: [&str; 9] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "run/current-system"];

/// Devices that programs expect; `net/tun` is for the tap plugin.
const DEVICES: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "net/tun"];

/// Folders that are the node's own.
const OWN_FHOST_ROOTERS: [&str; 9] = [
    PODS,
    "/run/cni",
    "/run/lock",
    "/var/lib/cni/results",
    "/var/cache",
    "/var/log",
    "/opt/cni/bin",
    "/dev/net",
    "/root",
];

/// Builds the root and moves this process into it; the host's root is not reachable afterwards.
///
/// # Errors
/// The step that the host refused.
pub fn create_root(arguments: &Arguments) -> Result<Plugins, SetupError> {
    // The system call leaves mounts shared: without this, a mount made here would appear on the host.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(|errno| SetupError::new("make all mounts private", errno))?;
    enter_tmpfs()?;
    OWN_FHOST_ROOTERS.iter().try_for_each(|path| create_folder(path))?;
    create_link("/run", "/var/run")?;
    create_public_folder("/tmp")?;
    create_public_folder("/dev/shm")?;

    let mut read_only = Vec::new();
    for name in PROGRAMS {
        read_only.extend(bind_program_folder(name)?);
    }
    read_only.push(create_etc(&Path::new(HOST_ROOT).join("etc"))?);
    for name in DEVICES {
        bind_device(name)?;
    }
    for (name, to) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        create_link(to, format!("/dev/{name}"))?;
    }
    let plugins = bind_plugins(arguments, Path::new(HOST_ROOT), &mut read_only)?;

    // A user namespace may mount these two only while another of the kind is mounted (`mount_namespaces(7)`), so this
    // comes before the unmount of the host's root.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    create_folder("/proc").and_then(|()| mount_filesystem("proc", "/proc", plain, None))?;
    create_folder("/sys").and_then(|()| mount_filesystem("sysfs", "/sys", plain, None))?;
    make_all_read_only(&read_only)?;
    umount2(HOST_ROOT, MntFlags::MNT_DETACH).map_err(|errno| SetupError::new("unmount the host's root", errno))?;
    fs::remove_dir(HOST_ROOT).map_err(|error| SetupError::new(format!("remove {HOST_ROOT}"), error))?;
    Ok(plugins)
}

/// Mounts a tmpfs over a folder and makes it the root. The folder's content is visible again below the old root, where
/// the tmpfs no longer covers it.
fn enter_tmpfs() -> Result<(), SetupError> {
    let at = ["/tmp", "/run", "/var", "/mnt", "/home", "/usr"].into_iter().find(|path| Path::new(path).is_dir());
    let at = at.ok_or_else(|| {
        let source = io::Error::new(ErrorKind::NotFound, "none of /tmp, /run, /var, /mnt, /home and /usr exists");
        SetupError::new("find a folder to mount the node's root on", source)
    })?;
    mount_filesystem("tmpfs", at, MsFlags::MS_NOSUID, Some("mode=755"))?;
    let old = format!("{at}{HOST_ROOT}");
    create_folder(&old)?;
    pivot_root(at, old.as_str()).map_err(|errno| SetupError::new(format!("make {at} the root"), errno))?;
    chdir("/").map_err(|errno| SetupError::new("go to the new root", errno))
}

/// Creates a folder that every user may write to.
fn create_public_folder(path: &str) -> Result<(), SetupError> {
    use std::os::unix::fs::PermissionsExt;
    create_folder(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o1777))
        .map_err(|error| SetupError::new(format!("set the permissions of {path}"), error))
}

/// Binds a folder of programs, or creates the same link where the host has one (`/bin` -> `usr/bin`). Returns the path to
/// be made read-only.
fn bind_program_folder(name: &str) -> Result<Option<String>, SetupError> {
    let (host, at) = (Path::new(HOST_ROOT).join(name), format!("/{name}"));
    let Ok(metadata) = fs::symlink_metadata(&host) else { return Ok(None) };
    if metadata.is_symlink() {
        let to = fs::read_link(&host).map_err(|error| SetupError::new(format!("read link /{name}"), error))?;
        if let Some(parent) = Path::new(&at).parent().and_then(Path::to_str) {
            create_folder(parent)?;
        }
        return create_link(to, at).map(|()| None);
    }
    if !metadata.is_dir() {
        return Ok(None);
    }
    create_folder(&at)?;
    bind_mount(&host, &at)?;
    Ok(Some(at))
}

fn bind_device(name: &str) -> Result<(), SetupError> {
    let (host, at) = (Path::new(HOST_ROOT).join("dev").join(name), format!("/dev/{name}"));
    if !host.exists() {
        return Ok(());
    }
    create_file(&at)?;
    bind_mount(&host, &at)
}

/// Where the host's `/etc` is bound.
const HOST_ETC: &str = "/.host/etc";

/// Fills the node's `/etc`: a link for each of the host's names, but a `cni` of its own. Returns the path to be made
/// read-only.
///
/// An ordinary user cannot create anything in the host's `/etc`, so the node's is a folder of its own. Programs find their
/// loader cache, `alternatives`, `protocols` and so on, and cannot write any of it.
fn create_etc(host_etc: &Path) -> Result<String, SetupError> {
    create_folder("/etc/cni/net.d")?;
    create_folder(HOST_ETC)?;
    bind_mount(host_etc, HOST_ETC)?;
    let entries = fs::read_dir(HOST_ETC).map_err(|error| SetupError::new(format!("list {HOST_ETC}"), error))?;
    for name in entries.filter_map(Result::ok).map(|entry| entry.file_name()) {
        if name != "cni" && name != "mtab" {
            create_link(Path::new(HOST_ETC).join(&name), Path::new("/etc").join(&name))?;
        }
    }
    create_link("/proc/self/mounts", "/etc/mtab")?;
    Ok(HOST_ETC.to_owned())
}
