//! Network namespaces with a name: each is bound to a file, as iproute2 and container runtimes do it.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use plumbline_netlink::{Errno, Netlink, namespace};
use thiserror::Error;

use super::sysctls::{self, Forwarding, SysctlError};
use crate::error::{During, EndError, RequestError, fault, gone};

/// The folder of the pods' namespaces on a private node.
pub const PODS: &str = "/run/netns";
/// The folder of the nodes beside the first.
pub const NODES: &str = "/run/netns-nodes";
/// The folder of the external hosts.
pub const HOSTS: &str = "/run/netns-hosts";
/// The folder of the switch.
pub const SWITCHES: &str = "/run/netns-switch";
/// The namespace of the switch, in which all uplinks are.
pub const SWITCH: &str = "/run/netns-switch/switch";

/// The path of a pod's namespace.
///
/// # Errors
/// A fault when the name cannot be a file name.
pub fn pod_path(name: &str) -> Result<PathBuf, RequestError> {
    named_path(PODS, "pod", name)
}

/// The path of a node's namespace.
pub fn node_path(node: usize) -> PathBuf {
    Path::new(NODES).join(node.to_string())
}

/// The path of an external host's namespace.
///
/// # Errors
/// A fault when the name cannot be a file name.
pub fn host_path(name: &str) -> Result<PathBuf, RequestError> {
    named_path(HOSTS, "host", name)
}

fn named_path(folder: &str, kind: &str, name: &str) -> Result<PathBuf, RequestError> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(fault(format!("name the namespace of {kind} {name:?}"), "name: expected a file name"));
    }
    Ok(Path::new(folder).join(name))
}

/// A step of preparing a new namespace that failed.
#[derive(Debug, Error)]
enum PrepareError {
    #[error("bind the namespace: {0}")]
    Bind(#[source] Errno),
    #[error("bring up lo: {0}")]
    Loopback(#[source] plumbline_netlink::Error),
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
}

/// Creates a network namespace with `lo` up and the sysctls set.
///
/// # Errors
/// A fault when the path exists, or when the kernel refuses.
pub fn create_namespace(path: &Path, forwarding: Forwarding) -> Result<(), RequestError> {
    let action = format!("make namespace {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).during(&action)?;
    }
    File::create_new(path).during(&action)?;
    run_in_new_namespace(&action, || prepare_namespace(path, forwarding).during(&action))
}

/// Runs `work` in a new network namespace and returns to the previous one. Without a descriptor or a mount that `work` keeps,
/// the new namespace ends then.
///
/// # Errors
/// What the work gives; a fault when the kernel refuses the namespace; the end of the agent when it cannot return.
pub fn run_in_new_namespace<T>(
    action: &str,
    work: impl FnOnce() -> Result<T, RequestError>,
) -> Result<T, RequestError> {
    let home = namespace::current().during(action)?;
    unshare(CloneFlags::CLONE_NEWNET).during(format!("{action}: unshare the network namespace"))?;
    let outcome = work();
    namespace::enter(home).map_err(|error| {
        EndError::Internal(format!("{action}: return to the network namespace of the node: {error}"))
    })?;
    outcome
}

fn prepare_namespace(path: &Path, forwarding: Forwarding) -> Result<(), PrepareError> {
    mount(Some("/proc/thread-self/ns/net"), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(PrepareError::Bind)?;
    bring_up_loopback().map_err(PrepareError::Loopback)?;
    Ok(sysctls::set_all(forwarding)?)
}

/// Brings up `lo` of the current namespace.
///
/// # Errors
/// What the kernel gives.
pub fn bring_up_loopback() -> plumbline_netlink::Result<()> {
    let mut netlink = Netlink::open()?;
    let index = netlink.link_index("lo")?;
    netlink.set_up(index, true)
}

/// The namespaces that are bound to files of a folder; none where there is no such folder.
pub fn list_namespaces(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// Opens a namespace; `name` describes it.
///
/// # Errors
/// A fault, marked as gone when there is no such namespace.
pub fn open_namespace(path: &Path, name: &str) -> Result<OwnedFd, RequestError> {
    namespace::open(path).map_err(|error| namespace_fault(format!("open {name}"), error))
}

/// Runs `work` inside a namespace; `action` names the entry.
///
/// # Errors
/// What the work gives; a fault marked as gone when the file is no namespace any more.
pub fn run_inside<T>(
    namespace: &OwnedFd,
    action: &str,
    work: impl FnOnce() -> Result<T, RequestError>,
) -> Result<T, RequestError> {
    match namespace::with_netns(namespace, || Ok(work())) {
        Ok(outcome) => outcome,
        Err(error @ plumbline_netlink::Error::Stranded { .. }) => Err(EndError::Internal(error.to_string()).into()),
        Err(error) => Err(namespace_fault(action.to_owned(), error)),
    }
}

/// The namespace no longer exists where there is no file, or where the file is no namespace (the mount point that remains
/// after an unmount, `setns(2)`).
fn namespace_fault(action: String, error: plumbline_netlink::Error) -> RequestError {
    match error.errno() {
        Some(Errno::ENOENT | Errno::EINVAL) => gone(action, error),
        _ => fault(action, error),
    }
}
