//! Reading the whole state of a pod and its node, as facts that can be compared (`plumbline_core::state`).
//!
//! | module | what is in it |
//! |---|---|
//! | [`device_sysctls`] | the sysctls of a device, from netlink |
//! | [`sysctl_files`] | the sysctls that netlink does not report |
//! | [`facts`] | links, addresses, routes, rules, neighbours and queueing disciplines, from netlink |
//! | [`firewall`] | packet filter rules, by the node's programs |
//! | [`files`] | files of plugins, and mounts |

mod device_sysctls;
mod facts;
mod files;
mod firewall;
mod sysctl_files;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use plumbline_core::cni::StateBefore;
use plumbline_core::protocol::Target;
use plumbline_core::state::{Change, FactKind, NamespaceState, PodAndNode, Subject};
use plumbline_netlink::packet::link::LinkMessage;
use plumbline_netlink::{Errno, Netlink, namespace};

use crate::error::{During, RequestError, fault};
use crate::namespaces::named::{open_namespace, pod_path, run_inside};
use crate::namespaces::target::open_target;
use crate::node::nodes::NodeSet;
use crate::process::Processes;
use facts::{Names, Namespaces};
use files::NodeFiles;
use firewall::FirewallReader;
use sysctl_files::SysctlFiles;

const ACTION: &str = "read the state of a pod and its node";

/// How the names of chains of CNI plugins start.
const OF_PLUGINS: [&str; 2] = ["CNI-", "cni_"];
/// How the names start that plugins choose at random for the node's ends of veths (plugins, `pkg/ip/link_linux.go`).
const RANDOM_VETH: &str = "veth";

/// Reads one pod and its node again and again. Sockets and files stay open in between.
pub struct StateReader {
    /// The pod's name.
    pub pod: String,
    node: usize,
    pod_side: Side,
    node_side: Side,
    files: NodeFiles,
    last: PodAndNode,
    is_first: bool,
}

/// What is open in one namespace.
struct Side {
    namespace: OwnedFd,
    netlink: Netlink,
    sysctls: SysctlFiles,
    firewall: FirewallReader,
}

impl Side {
    fn open() -> Result<Self, RequestError> {
        Ok(Self {
            namespace: namespace::current().during(ACTION)?,
            netlink: Netlink::open().during(ACTION)?,
            sysctls: SysctlFiles::open(),
            firewall: FirewallReader::open(),
        })
    }
}

impl StateReader {
    /// Opens what is read.
    ///
    /// # Errors
    /// A fault, marked as gone when there is no such pod.
    pub fn open(pod: &str, nodes: &NodeSet) -> Result<Self, RequestError> {
        let namespace = open_namespace(&pod_path(pod)?, &format!("the namespace of pod {pod}"))?;
        Self::open_in(pod, namespace, nodes)
    }

    /// Opens what is read of a pod whose namespace is known.
    fn open_in(pod: &str, namespace: OwnedFd, nodes: &NodeSet) -> Result<Self, RequestError> {
        let node = nodes.node_of(pod);
        let pod_side = run_inside(&namespace, ACTION, Side::open)?;
        let node_side = nodes.run_on_node(node, Side::open)?;
        let last = PodAndNode::default();
        let files = NodeFiles::All;
        Ok(Self { pod: pod.to_owned(), node, pod_side, node_side, files, last, is_first: true })
    }

    /// Reads a pod and its node once. Of a node that pods share, the other pods' veths, mounts, and firewall
    /// rules that no plugin made are left out.
    ///
    /// # Errors
    /// As [`read_changes`](Self::read_changes), marked as gone when there is no such pod; a pod on the host's network.
    pub fn read_shared(
        target: &Target,
        nodes: &NodeSet,
        processes: &mut Processes,
    ) -> Result<PodAndNode, RequestError> {
        let no_namespace = || fault(ACTION, "target: expected a pod, found the node");
        let namespace = open_target(target)?.ok_or_else(no_namespace)?;
        let pod = if let Target::Pod(name) = target { name } else { "" };
        let mut reader = Self::open_in(pod, namespace, nodes)?;
        reader.files = NodeFiles::Plugins;
        reader.read_changes(nodes, processes)?;
        let mut state = reader.last;
        state.node.retain(|key, _| match key.kind {
            FactKind::Firewall => OF_PLUGINS.iter().any(|mark| key.item.contains(mark)),
            _ => !key.link.starts_with(RANDOM_VETH),
        });
        Ok(state)
    }

    /// The state before a chain: the whole state at first, later what changed since the last reading.
    ///
    /// # Errors
    /// As [`read_changes`](Self::read_changes).
    pub fn read_before(&mut self, nodes: &NodeSet, processes: &mut Processes) -> Result<StateBefore, RequestError> {
        let changes = self.read_changes(nodes, processes)?;
        match std::mem::take(&mut self.is_first) {
            true => Ok(StateBefore::Whole(self.last.clone())),
            false => Ok(StateBefore::Since(changes)),
        }
    }

    /// Reads the state, and what changed since the last reading.
    ///
    /// # Errors
    /// A fault when the kernel refuses; the lane hung up.
    pub fn read_changes(&mut self, nodes: &NodeSet, processes: &mut Processes) -> Result<Vec<Change>, RequestError> {
        let pod_links = self.pod_side.netlink.links().during(ACTION)?;
        let node_links = self.node_side.netlink.links().during(ACTION)?;
        let pod_names = facts::names_of(&pod_links, &Names::new());
        let node_id = self.pod_side.netlink.namespace_id(&self.node_side.namespace).during(ACTION)?;
        let pod_id = self.node_side.netlink.namespace_id(&self.pod_side.namespace).during(ACTION)?;
        let node_names = facts::names_of(&node_links, &facts::peers_on_node(&pod_links, node_id));
        let mut now = PodAndNode::default();
        let in_pod =
            Namespaces { own: &pod_names, other: &node_names, other_subject: Subject::Node, other_id: node_id };
        let on_node = Namespaces { own: &node_names, other: &pod_names, other_subject: Subject::Pod, other_id: pod_id };
        read_side(&mut self.pod_side, &pod_links, &in_pod, &mut now.pod)?;
        read_side(&mut self.node_side, &node_links, &on_node, &mut now.node)?;
        if self.pod_side.firewall.has_changed() {
            let Side { namespace, firewall, .. } = &mut self.pod_side;
            run_inside(namespace, ACTION, || firewall.list(processes))?;
        }
        self.pod_side.firewall.add_to(&mut now.pod);
        let has_changed = self.node_side.firewall.has_changed();
        let firewall = &mut self.node_side.firewall;
        nodes.run_on_node(self.node, || {
            if has_changed {
                firewall.list(processes)?;
            }
            files::add_files(self.files, &mut now.node);
            if self.files == NodeFiles::All {
                files::add_mounts(&mut now.node);
            }
            Ok(())
        })?;
        self.node_side.firewall.add_to(&mut now.node);
        let changes = self.last.changes_to(&now);
        self.last = now;
        Ok(changes)
    }
}

/// Reads what netlink and the files of sysctls have.
fn read_side(
    side: &mut Side,
    links: &[LinkMessage],
    namespaces: &Namespaces<'_>,
    state: &mut NamespaceState,
) -> Result<(), RequestError> {
    let names: &BTreeMap<u32, String> = namespaces.own;
    let netlink = &mut side.netlink;
    links.iter().for_each(|message| facts::add_link(message, namespaces, state));
    let real = links.iter().map(|message| plumbline_netlink::link::name(message).to_owned()).collect();
    netlink.addresses().during(ACTION)?.iter().for_each(|message| facts::add_address(message, names, &real, state));
    netlink.routes().during(ACTION)?.iter().for_each(|message| facts::add_route(message, names, state));
    match netlink.rules() {
        Ok(listed) => listed.iter().for_each(|message| facts::add_rule(message, state)),
        // A kernel without policy routing has no rules.
        Err(error) if error.is(Errno::EOPNOTSUPP) => {}
        Err(error) => return Err(error).during(ACTION),
    }
    netlink.neighbours().during(ACTION)?.iter().for_each(|message| facts::add_neighbour(message, names, state));
    netlink.qdiscs().during(ACTION)?.iter().for_each(|message| facts::add_qdisc(message, names, state));
    side.sysctls.read_into(state);
    Ok(())
}
