//! Where a request is carried out: the node the agent serves, and the namespaces on it.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use plumbline_core::protocol::Target;
use plumbline_netlink::namespace;

use crate::cni::Plugins;
use crate::input::Input;
use crate::node::nodes::Bed;
use crate::node::spaces;
use crate::process::Runner;
use crate::serve::sandbox;
use crate::trouble::{Trouble, fault, gone, says_gone};

/// Where a private node keeps its pods' namespaces, as iproute2 and container runtimes do.
pub const NETNS_FOLDER: &str = "/run/netns";

/// The node that the agent serves.
pub struct Place {
    /// The plugins of a private node; none on a node that somebody else made.
    pub plugins: Option<Plugins>,
    /// Runs processes.
    pub runner: Runner,
    /// The lane.
    pub input: Input,
    /// Whether the node stays when the lane hangs up.
    pub stays: bool,
    /// The namespace that the last probe was made in; it goes when the agent goes.
    pub used: Option<OwnedFd>,
    /// What a private bed has beside its first node.
    pub bed: Bed,
}

impl Place {
    /// The plugins, or a fault on a node that is not private.
    ///
    /// # Errors
    /// A fault that names the request.
    pub fn private(&self, doing: &str) -> Result<&Plugins, Trouble> {
        self.plugins.as_ref().ok_or_else(|| fault(doing, "only private nodes do this, and this agent runs as `serve`"))
    }
}

/// The path of a pod's namespace on a private node.
///
/// # Errors
/// A fault when the name can't be a file's name.
pub fn pod_path(name: &str) -> Result<PathBuf, Trouble> {
    spaces::path(NETNS_FOLDER, "pod", name)
}

/// Opens the namespace that is meant; none means the node's own.
///
/// # Errors
/// A fault marked as gone when there is no such namespace.
pub fn open(target: &Target) -> Result<Option<OwnedFd>, Trouble> {
    let path = match target {
        Target::Node | Target::NodeAt(1) => return Ok(None),
        Target::NodeAt(node) => spaces::node_path(*node)?,
        Target::Host(name) => spaces::host_path(name)?,
        Target::Pod(name) => pod_path(name)?,
        Target::Netns(path) => PathBuf::from(path),
        Target::Sandbox { namespace, name, uid } => sandbox::find(namespace, name, uid)?.netns()?,
    };
    let doing = || format!("open {}", told(target));
    let descriptor = namespace::open(&path).map_err(|error| match says_gone(&error) {
        true => gone(doing(), error),
        false => fault(doing(), error),
    })?;
    Ok(Some(descriptor))
}

/// Does work inside the namespace that is meant.
///
/// # Errors
/// What the work gives; a fault marked as gone when the namespace is no namespace any more.
pub fn within<T>(target: &Target, work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let Some(descriptor) = open(target)? else { return work() };
    inside(&descriptor, &format!("enter {}", told(target)), work)
}

/// Does work inside a namespace; `doing` names the entry.
///
/// # Errors
/// As [`within`].
pub fn inside<T>(namespace: &OwnedFd, doing: &str, work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    namespace::with_netns(namespace, || work().map_err(Inside::Work)).map_err(|error| match error {
        Inside::Work(trouble) => trouble,
        Inside::Entry(error @ plumbline_netlink::Error::Stranded { .. }) => {
            Trouble::End(crate::exit::Failure::Internal(error.to_string()))
        }
        Inside::Entry(error) => {
            if says_gone(&error) {
                gone(doing, error)
            } else {
                fault(doing, error)
            }
        }
    })
}

enum Inside {
    Work(Trouble),
    Entry(plumbline_netlink::Error),
}

impl From<plumbline_netlink::Error> for Inside {
    fn from(error: plumbline_netlink::Error) -> Self {
        Self::Entry(error)
    }
}

/// The target in words.
#[must_use]
pub fn told(target: &Target) -> String {
    match target {
        Target::Node => "the node's own namespace".to_owned(),
        Target::NodeAt(number) => format!("the namespace of node {number}"),
        Target::Host(name) => format!("the namespace of host {name}"),
        Target::Pod(name) => format!("the namespace of pod {name}"),
        Target::Netns(path) => format!("namespace {path}"),
        Target::Sandbox { namespace, name, .. } => format!("the sandbox of pod {namespace}/{name}"),
    }
}
