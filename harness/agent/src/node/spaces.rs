//! Network namespaces with a name, kept by a file that they are bound to.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use plumbline_netlink::namespace;

use super::{init, sysctls};
use crate::trouble::{Doing, Trouble, fault};

pub use super::sysctls::Forwards;

/// Where the nodes beside the first are.
pub const NODES: &str = "/run/netns-nodes";
/// Where the hosts outside are.
pub const HOSTS: &str = "/run/netns-hosts";
/// Where the switch is that all uplinks are in.
pub const SWITCH: &str = "/run/netns-switch/switch";

/// The path of a node's namespace.
///
/// # Errors
/// None as yet.
pub fn node_path(node: usize) -> Result<PathBuf, Trouble> {
    path(NODES, "node", &node.to_string())
}

/// The path of a host's namespace.
///
/// # Errors
/// A fault when the name can't be a file's name.
pub fn host_path(name: &str) -> Result<PathBuf, Trouble> {
    path(HOSTS, "host", name)
}

/// The path of something's namespace in a folder.
///
/// # Errors
/// A fault when the name can't be a file's name.
pub fn path(folder: &str, whose: &str, name: &str) -> Result<PathBuf, Trouble> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(fault(format!("name the namespace of {whose} {name:?}"), "this can't be a file's name"));
    }
    Ok(Path::new(folder).join(name))
}

/// Makes a network namespace with `lo` up and the sysctls set.
///
/// # Errors
/// A fault when there is one at that path, or when the kernel refuses.
pub fn make(path: &Path, forwards: Forwards) -> Result<(), Trouble> {
    let doing = format!("make namespace {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).doing(&doing)?;
    }
    File::create_new(path).doing(&doing)?;
    let home = namespace::current().doing(&doing)?;
    unshare(CloneFlags::CLONE_NEWNET).doing(format!("{doing}: unshare the network namespace"))?;
    // From here on this thread is in the new one, and has to come home whatever happens.
    let made = mount(Some("/proc/thread-self/ns/net"), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|errno| format!("bind the namespace: {errno}"))
        .and_then(|()| init::loopback().map_err(|error| format!("bring up lo: {error}")))
        .and_then(|()| sysctls::set(forwards));
    namespace::enter(home).map_err(|error| {
        Trouble::End(crate::exit::Failure::Internal(format!("{doing}: come back to the node's namespace: {error}")))
    })?;
    made.map_err(|cause| fault(doing, cause))
}
