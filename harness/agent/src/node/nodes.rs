//! The nodes of a private testbed and their pods.
//!
//! The first node is the root that the agent made. A further node has a network namespace, and a mount namespace with
//! `/run`, `/var` and `/tmp` of its own, so leases and caches of plugins are its own too. The rest, such as programs and
//! plugins, is the first node's. All nodes see the namespaces of all pods: `/run/netns` is one shared mount.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use plumbline_core::plan::Topology;
use plumbline_netlink::{Errno, namespace};

use super::mounts::{SetupError, bind_mount, create_folder, create_link, mount_filesystem};
use crate::error::{During, EndError, RequestError, fault, gone};
use crate::namespaces::named::{PODS, create_namespace, node_path, pod_path, run_inside};
use crate::namespaces::sysctls::Forwarding;

/// Folders that each node has of its own, and what is created in them.
const OWN_FOLDERS: [(&str, &[&str]); 3] = [
    ("/run", &[PODS, "/run/cni", "/run/lock"]),
    ("/var", &["/var/lib/cni/results", "/var/cache", "/var/log"]),
    ("/tmp", &[]),
];

/// Mounts that stay while the folders above are replaced: the pods' namespaces, and the programs of some distributions.
/// Each with the place where it is bound meanwhile.
const KEPT_MOUNTS: [(&str, &str); 2] = [("/.held/netns", PODS), ("/.held/system", "/run/current-system")];

/// The nodes that the agent serves, and the node of each pod. Without a topology there is only the first node.
#[derive(Default)]
pub struct NodeSet {
    /// The topology, once it is made.
    pub topology: Option<Topology>,
    /// The network namespace whose paired interfaces nodes may use; only a virtual machine has one.
    pub outside: Option<OwnedFd>,
    /// The node of each pod that is not on the first.
    pods: BTreeMap<String, usize>,
    /// The mount namespace of each node but the first.
    mount_namespaces: BTreeMap<usize, OwnedFd>,
}

impl NodeSet {
    /// The first node alone; `outside` is the namespace of a virtual machine's paired interfaces.
    pub fn new(outside: Option<OwnedFd>) -> Self {
        Self { outside, ..Self::default() }
    }

    /// The node of a pod.
    pub fn node_of(&self, pod: &str) -> usize {
        self.pods.get(pod).copied().unwrap_or(1)
    }

    /// Checks that a node exists.
    ///
    /// # Errors
    /// A fault marked as gone.
    fn check_node(&self, node: usize) -> Result<(), RequestError> {
        if node == 1 || self.mount_namespaces.contains_key(&node) {
            return Ok(());
        }
        let cause = format!("the testbed has {} nodes", self.mount_namespaces.len() + 1);
        Err(gone(format!("find node {node}"), cause))
    }

    /// Creates a further node.
    ///
    /// # Errors
    /// A fault that names the node and the step.
    pub fn create_node(&mut self, node: usize) -> Result<(), RequestError> {
        let action = format!("make node {node}");
        if self.mount_namespaces.is_empty() {
            share_pods_folder().during(&action)?;
        }
        create_namespace(&node_path(node), Forwarding::On)?;
        let home = current_mount_namespace().during(&action)?;
        unshare(CloneFlags::CLONE_NEWNS).during(format!("{action}: unshare the mount namespace"))?;
        let created = create_own_folders();
        let own = current_mount_namespace();
        return_to_mount_namespace(home)?;
        created.during(&action)?;
        self.mount_namespaces.insert(node, own.during(&action)?);
        Ok(())
    }

    /// Runs `work` on a node: in its network namespace, with its files.
    ///
    /// # Errors
    /// What the work gives; a fault when there is no such node.
    pub fn run_on_node<T>(
        &self,
        node: usize,
        work: impl FnOnce() -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        self.check_node(node)?;
        let Some(mount_namespace) = self.mount_namespaces.get(&node) else { return work() };
        let action = format!("enter node {node}");
        let network = namespace::open(node_path(node)).during(&action)?;
        let home = current_mount_namespace().during(&action)?;
        run_inside(&network, &action, || {
            setns(mount_namespace, CloneFlags::CLONE_NEWNS).during(format!("{action}: enter its mount namespace"))?;
            let outcome = work();
            return_to_mount_namespace(home)?;
            outcome
        })
    }

    /// Creates a pod's network namespace with `lo` up and the sysctls set; returns its path on the node.
    ///
    /// # Errors
    /// A fault when the pod exists, when there is no such node, or when the kernel refuses.
    pub fn add_pod(&mut self, name: &str, node: usize) -> Result<String, RequestError> {
        self.check_node(node)?;
        let path = pod_path(name)?;
        create_namespace(&path, Forwarding::Off)?;
        if node != 1 {
            self.pods.insert(name.to_owned(), node);
        }
        Ok(path.display().to_string())
    }

    /// Removes a pod's network namespace.
    ///
    /// # Errors
    /// A fault marked as gone when there is no such pod.
    pub fn remove_pod(&mut self, name: &str) -> Result<(), RequestError> {
        let action = format!("remove pod {name}");
        let path = pod_path(name)?;
        self.pods.remove(name);
        match umount2(&path, MntFlags::MNT_DETACH) {
            // EINVAL: the file exists and nothing is mounted on it, because a plugin unmounted it.
            Ok(()) | Err(Errno::EINVAL) => fs::remove_file(&path).during(action),
            Err(Errno::ENOENT) => Err(gone(action, format!("{} does not exist", path.display()))),
            Err(errno) => Err(fault(action, errno)),
        }
    }
}

fn current_mount_namespace() -> io::Result<OwnedFd> {
    File::open("/proc/thread-self/ns/mnt").map(OwnedFd::from)
}

fn return_to_mount_namespace(home: OwnedFd) -> Result<(), EndError> {
    setns(home, CloneFlags::CLONE_NEWNS)
        .map_err(|errno| EndError::Internal(format!("return to the mount namespace of the first node: {errno}")))
}

/// Makes the pods' folder a mount that all later mount namespaces share.
fn share_pods_folder() -> Result<(), SetupError> {
    bind_mount(PODS.as_ref(), PODS)?;
    mount(None::<&str>, PODS, None::<&str>, MsFlags::MS_SHARED, None::<&str>)
        .map_err(|errno| SetupError::new(format!("share {PODS}"), errno))
}

/// Replaces folders of the current mount namespace by folders of its own.
fn create_own_folders() -> Result<(), SetupError> {
    // The node's root has only what the agent made, so these places are free.
    let kept: Vec<_> = KEPT_MOUNTS.iter().filter(|(_, at)| Path::new(at).exists()).collect();
    for (aside, at) in &kept {
        create_folder(aside)?;
        bind_mount(at.as_ref(), aside)?;
    }
    for (top, inside) in OWN_FOLDERS {
        let mode = if top == "/tmp" { "mode=1777" } else { "mode=755" };
        mount_filesystem("tmpfs", top, MsFlags::MS_NOSUID, Some(mode))?;
        inside.iter().try_for_each(|path| create_folder(path))?;
    }
    create_link("/run", "/var/run")?;
    for (aside, at) in &kept {
        create_folder(at)?;
        bind_mount(aside.as_ref(), at)?;
        umount2(*aside, MntFlags::MNT_DETACH).map_err(|errno| SetupError::new(format!("unmount {aside}"), errno))?;
    }
    Ok(())
}
