//! The root of the private node: a tmpfs with the host's programs bound in, read-only, and everything that plugins
//! write to (`/run`, `/var/lib/cni`, `/etc/cni`, `/tmp`) of its own.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use plumbline_core::record::RECORDER_SUFFIX;

use super::arguments::Arguments;
use super::etc;
use super::mounts::{Refused, bind, file, folder, fresh, link, seal_below};
use crate::cni::Plugins;
use crate::place::NETNS_FOLDER;

/// Where the host's root is while the new one is made.
const OLD: &str = "/.old";

/// Folders that hold programs and what they are linked with; `/nix` where a distribution keeps everything there.
const PROGRAMS: [&str; 9] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "run/current-system"];

/// Where programs are that come along and are no plugins, by name.
pub const PROGRAM_FOLDER: &str = "/opt/plumbline";

/// Devices that programs expect; `net/tun` is for the tap plugin.
const DEVICES: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "net/tun"];

/// Folders that are the node's own.
const OWN: [&str; 9] = [
    NETNS_FOLDER,
    "/run/cni",
    "/run/lock",
    "/var/lib/cni/results",
    "/var/cache",
    "/var/log",
    "/opt/cni/bin",
    "/dev/net",
    "/root",
];

/// Makes the root and moves this process into it; the host's is then out of reach.
///
/// # Errors
/// The step that the host refused.
pub fn make(arguments: &Arguments) -> Result<Plugins, Refused> {
    // The raw unshare leaves mounts shared: without this a mount made here would appear on the host.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(|errno| Refused::errno("make all mounts private", errno))?;
    enter_tmpfs()?;
    OWN.iter().try_for_each(|path| folder(path))?;
    link("/run", "/var/run")?;
    open_folder("/tmp")?;
    open_folder("/dev/shm")?;

    let mut sealed = Vec::new();
    for name in PROGRAMS {
        sealed.extend(program_folder(name)?);
    }
    sealed.push(etc::make(&Path::new(OLD).join("etc"))?);
    for name in DEVICES {
        device(name)?;
    }
    for (name, to) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        link(to, format!("/dev/{name}"))?;
    }
    let plugins = plugins(arguments, &mut sealed)?;

    // Both are refused in a user namespace once no other of their kind is in sight (`mount_namespaces(7)`), so they
    // come before the host's root goes.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    folder("/proc").and_then(|()| fresh("proc", "/proc", plain, None))?;
    folder("/sys").and_then(|()| fresh("sysfs", "/sys", plain, None))?;
    seal_below(&sealed)?;
    umount2(OLD, MntFlags::MNT_DETACH).map_err(|errno| Refused::errno("unmount the host's root", errno))?;
    fs::remove_dir(OLD).map_err(|error| Refused::io(format!("remove {OLD}"), &error))?;
    Ok(plugins)
}

/// Mounts a tmpfs over some folder and makes it the root. What was in that folder is back in sight under the old
/// root, since the tmpfs is no longer on top of it.
fn enter_tmpfs() -> Result<(), Refused> {
    let at = ["/tmp", "/run", "/var", "/mnt", "/home", "/usr"].into_iter().find(|path| Path::new(path).is_dir());
    let at = at.ok_or_else(|| Refused {
        doing: "find a folder to mount the node's root on".to_owned(),
        errno: None,
        cause: "neither /tmp nor /run, /var, /mnt, /home, /usr is there".to_owned(),
    })?;
    fresh("tmpfs", at, MsFlags::MS_NOSUID, Some("mode=755"))?;
    let old = format!("{at}{OLD}");
    folder(&old)?;
    pivot_root(at, old.as_str()).map_err(|errno| Refused::errno(format!("make {at} the root"), errno))?;
    chdir("/").map_err(|errno| Refused::errno("go to the new root", errno))
}

/// A folder anybody may write to.
fn open_folder(path: &str) -> Result<(), Refused> {
    use std::os::unix::fs::PermissionsExt;
    folder(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o1777))
        .map_err(|error| Refused::io(format!("open {path} to all"), &error))
}

/// Binds a folder of programs, or repeats the link where the host has one (`/bin` -> `usr/bin`). Gives the path to be
/// made read-only.
fn program_folder(name: &str) -> Result<Option<String>, Refused> {
    let (host, at) = (Path::new(OLD).join(name), format!("/{name}"));
    let Ok(about) = fs::symlink_metadata(&host) else { return Ok(None) };
    if about.is_symlink() {
        let to = fs::read_link(&host).map_err(|error| Refused::io(format!("read link /{name}"), &error))?;
        if let Some(parent) = Path::new(&at).parent().and_then(Path::to_str) {
            folder(parent)?;
        }
        return link(to, at).map(|()| None);
    }
    if !about.is_dir() {
        return Ok(None);
    }
    folder(&at)?;
    bind(&host, &at)?;
    Ok(Some(at))
}

fn device(name: &str) -> Result<(), Refused> {
    let (host, at) = (Path::new(OLD).join("dev").join(name), format!("/dev/{name}"));
    if !host.exists() {
        return Ok(());
    }
    file(&at)?;
    bind(&host, &at)
}

/// Binds each folder of plugins and each single plugin, and links them all into `/opt/cni/bin`: single plugins first,
/// then the folders in their order.
fn plugins(arguments: &Arguments, sealed: &mut Vec<String>) -> Result<Plugins, Refused> {
    let mut plugins = Plugins::default();
    for (number, (name, path)) in arguments.plugins.iter().enumerate() {
        let at = format!("/opt/cni/plugin/{number}");
        folder("/opt/cni/plugin")?;
        file(&at)?;
        bind(&old(path), &at)?;
        sealed.push(at.clone());
        plugins.sources.push(path.display().to_string());
        sealed.extend(recorder(name, path, &at)?);
        offer(&mut plugins, name.clone(), PathBuf::from(at))?;
    }
    for (name, path) in &arguments.programs {
        let at = format!("{PROGRAM_FOLDER}/{name}");
        folder(PROGRAM_FOLDER)?;
        file(&at)?;
        bind(&old(path), &at)?;
        sealed.push(at);
    }
    for (number, path) in arguments.folders.iter().enumerate() {
        let at = format!("/opt/cni/path/{number}");
        folder(&at)?;
        bind(&old(path), &at)?;
        sealed.push(at.clone());
        plugins.sources.push(path.display().to_string());
        let entries = fs::read_dir(&at).map_err(|error| Refused::io(format!("list {}", path.display()), &error))?;
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Notes that a cache or an editor keeps beside the plugins are no plugins.
            if name.ends_with(RECORDER_SUFFIX) {
                beside(entry.path(), &name)?;
            } else if !name.starts_with('.') {
                offer(&mut plugins, name, entry.path())?;
            }
        }
    }
    Ok(plugins)
}

/// Binds the recorder's file of a single plugin, where there is one beside it; gives the path to be made read-only.
fn recorder(name: &str, path: &Path, at: &str) -> Result<Option<String>, Refused> {
    let host = PathBuf::from(format!("{}{RECORDER_SUFFIX}", old(path).display()));
    if !host.is_file() {
        return Ok(None);
    }
    let at = format!("{at}{RECORDER_SUFFIX}");
    file(&at)?;
    bind(&host, &at)?;
    beside(PathBuf::from(&at), &format!("{name}{RECORDER_SUFFIX}"))?;
    Ok(Some(at))
}

/// Links a recorder's file to where its plugin looks for it; that of an earlier place wins, as its plugin does.
fn beside(path: PathBuf, name: &str) -> Result<(), Refused> {
    let at = Path::new(crate::cni::FOLDER).join(name);
    if at.is_symlink() { Ok(()) } else { link(path, at) }
}

fn offer(plugins: &mut Plugins, name: String, path: PathBuf) -> Result<(), Refused> {
    if plugins.names.insert(name.clone()) {
        link(path, Path::new(crate::cni::FOLDER).join(name))?;
    }
    Ok(())
}

fn old(path: &Path) -> PathBuf {
    Path::new(OLD).join(path.strip_prefix("/").unwrap_or(path))
}
