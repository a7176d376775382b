//! The nodes of a private bed beside the first: a network namespace, and a mount namespace in which whatever a node
//! keeps for itself (`/run`, `/var`, `/tmp`, so leases and caches of plugins) is its own.
//!
//! Everything else, programs and plugins, is the first node's. The pods' namespaces are seen by all: `/run/netns` is one
//! mount, shared.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use plumbline_core::plan::Topology;
use plumbline_netlink::namespace;

use super::mounts::{Refused, bind, folder, fresh};
use super::spaces;
use crate::exit::Failure;
use crate::place::NETNS_FOLDER;
use crate::trouble::{Doing, Trouble, fault, gone};

/// Folders that are a node's own, with what has to be in them.
const OWN: [(&str, &[&str]); 3] = [
    ("/run", &[NETNS_FOLDER, "/run/cni", "/run/lock"]),
    ("/var", &["/var/lib/cni/results", "/var/cache", "/var/log"]),
    ("/tmp", &[]),
];

/// Kept in sight while the folders are made anew: the pods' namespaces, and where a distribution keeps its programs.
const HELD: [(&str, &str); 2] = [("/.held/netns", NETNS_FOLDER), ("/.held/system", "/run/current-system")];

/// What there is beside the first node, and which node a pod is on.
#[derive(Default)]
pub struct Bed {
    /// The topology that was made; none before.
    pub topology: Option<Topology>,
    /// The node of each pod that is not on the first.
    pub pods: BTreeMap<String, usize>,
    /// The network namespace whose paired interfaces may be borrowed; none but in a virtual machine.
    pub outside: Option<OwnedFd>,
    mounts: BTreeMap<usize, OwnedFd>,
}

impl Bed {
    /// The node that a pod is on.
    #[must_use]
    pub fn node_of(&self, pod: &str) -> usize {
        self.pods.get(pod).copied().unwrap_or(1)
    }

    /// A fault when there is no such node.
    ///
    /// # Errors
    /// Marked as gone.
    pub fn known(&self, node: usize) -> Result<(), Trouble> {
        match node == 1 || self.mounts.contains_key(&node) {
            true => Ok(()),
            false => Err(gone(format!("find node {node}"), format!("the bed has {} nodes", self.mounts.len() + 1))),
        }
    }

    /// Makes a further node.
    ///
    /// # Errors
    /// A fault that names the node and the step.
    pub fn make(&mut self, node: usize) -> Result<(), Trouble> {
        let doing = format!("make node {node}");
        if self.mounts.is_empty() {
            share().map_err(|error| fault(&doing, format!("{}: {}", error.doing, error.cause)))?;
        }
        spaces::make(&spaces::node_path(node)?, spaces::Forwards::Yes)?;
        let home = mounts().doing(&doing)?;
        unshare(CloneFlags::CLONE_NEWNS).doing(format!("{doing}: unshare the mount namespace"))?;
        let made = own_folders().map_err(|error| format!("{}: {}", error.doing, error.cause));
        let own = mounts();
        come_home(home)?;
        made.map_err(|cause| fault(&doing, cause))?;
        self.mounts.insert(node, own.doing(&doing)?);
        Ok(())
    }

    /// Does work on a node: in its network namespace, with its files.
    ///
    /// # Errors
    /// What the work gives; a fault when there is no such node.
    pub fn on<T>(&self, node: usize, work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
        self.known(node)?;
        let Some(files) = self.mounts.get(&node) else { return work() };
        let doing = format!("go to node {node}");
        let network = namespace::open(spaces::node_path(node)?).doing(&doing)?;
        let home = mounts().doing(&doing)?;
        crate::place::inside(&network, &doing, || {
            setns(files, CloneFlags::CLONE_NEWNS).doing(format!("{doing}: enter its mount namespace"))?;
            let outcome = work();
            come_home(home)?;
            outcome
        })
    }
}

fn mounts() -> std::io::Result<OwnedFd> {
    File::open("/proc/thread-self/ns/mnt").map(OwnedFd::from)
}

fn come_home(home: OwnedFd) -> Result<(), Trouble> {
    setns(home, CloneFlags::CLONE_NEWNS).map_err(|errno| {
        Trouble::End(Failure::Internal(format!("come back to the first node's mount namespace: {errno}")))
    })
}

/// Makes the pods' folder a mount of its own that is shared with whoever copies it.
fn share() -> Result<(), Refused> {
    bind(NETNS_FOLDER.as_ref(), NETNS_FOLDER)?;
    mount(None::<&str>, NETNS_FOLDER, None::<&str>, MsFlags::MS_SHARED, None::<&str>)
        .map_err(|errno| Refused::errno(format!("share {NETNS_FOLDER}"), errno))
}

/// Gives the mount namespace that this thread is in folders of its own.
fn own_folders() -> Result<(), Refused> {
    // In the node's root there is nothing but what this program made, so a folder there is in nobody's way.
    let held: Vec<_> = HELD.iter().filter(|(_, at)| std::path::Path::new(at).exists()).collect();
    for (aside, at) in &held {
        folder(aside)?;
        bind(at.as_ref(), aside)?;
    }
    for (top, inside) in OWN {
        let mode = if top == "/tmp" { "mode=1777" } else { "mode=755" };
        fresh("tmpfs", top, MsFlags::MS_NOSUID, Some(mode))?;
        inside.iter().try_for_each(|path| folder(path))?;
    }
    super::mounts::link("/run", "/var/run")?;
    for (aside, at) in &held {
        folder(at)?;
        bind(aside.as_ref(), at)?;
        umount2(*aside, MntFlags::MNT_DETACH).map_err(|errno| Refused::errno(format!("unmount {aside}"), errno))?;
    }
    Ok(())
}
