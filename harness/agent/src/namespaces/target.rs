//! The namespace that a request names.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use plumbline_core::protocol::Target;
use plumbline_netlink::namespace;

use super::named::{host_path, node_path, open_namespace, pod_path, run_inside};
use crate::error::{During, RequestError};
use crate::runtime::sandbox;

/// Opens the namespace of a target; none for the node's own.
///
/// # Errors
/// A fault marked as gone when there is no such namespace.
pub fn open_target(target: &Target) -> Result<Option<OwnedFd>, RequestError> {
    let path = match target {
        Target::Node | Target::NodeAt(1) => return Ok(None),
        Target::NodeAt(node) => node_path(*node),
        Target::Host(name) => host_path(name)?,
        Target::Pod(name) => pod_path(name)?,
        Target::Netns(path) => PathBuf::from(path),
        Target::Sandbox { namespace, name, uid } => sandbox::find_newest(namespace, name, uid)?.netns_path()?,
    };
    open_namespace(&path, &describe_target(target)).map(Some)
}

/// Runs `work` inside the namespace of a target.
///
/// # Errors
/// What the work gives; a fault marked as gone when there is no such namespace.
pub fn run_in_target<T>(target: &Target, work: impl FnOnce() -> Result<T, RequestError>) -> Result<T, RequestError> {
    let Some(descriptor) = open_target(target)? else { return work() };
    run_inside(&descriptor, &format!("enter {}", describe_target(target)), work)
}

/// Identifies a namespace by device and inode (`ioctl_ns(2)`), because two targets may be one namespace; none means the
/// current one.
///
/// # Errors
/// A fault when its status cannot be read.
pub fn identify_namespace(descriptor: Option<&OwnedFd>) -> Result<(u64, u64), RequestError> {
    let identity = match descriptor {
        Some(descriptor) => namespace::identity(descriptor),
        None => namespace::current().and_then(namespace::identity),
    };
    identity.during("identify a network namespace")
}

/// The target as text.
pub fn describe_target(target: &Target) -> String {
    match target {
        Target::Node => "the node's own namespace".to_owned(),
        Target::NodeAt(number) => format!("the namespace of node {number}"),
        Target::Host(name) => format!("the namespace of host {name}"),
        Target::Pod(name) => format!("the namespace of pod {name}"),
        Target::Netns(path) => format!("namespace {path}"),
        Target::Sandbox { namespace, name, .. } => format!("the sandbox of pod {namespace}/{name}"),
    }
}
