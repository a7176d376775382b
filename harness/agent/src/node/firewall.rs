//! Packet filter rules that a node behind Terway has before any pod: kube-proxy's mark and masquerade, and symmetric
//! routing as terway-cli sets it up. A private node runs neither program, so the agent adds the rules.

use std::time::Duration;

use plumbline_core::cni::Exit;
use plumbline_core::plan::{Backend, NodePort, Symmetric, Topology};
use plumbline_netlink::address::family;
use plumbline_netlink::{Add, Netlink, NewRoute, NewRule};

use super::links::allow_existing;
use super::nodes::NodeSet;
use crate::error::{During, RequestError, fault};
use crate::process::{Job, Processes};

const KUBE_MARK_MASQ: &str = include_str!("kube_mark_masq.sh");
const SYMMETRIC: &str = include_str!("symmetric.sh");

/// Each of some twenty rules is a process, and the first may load kernel modules.
const DEADLINE: Duration = Duration::from_secs(30);

const STDOUT_CAP_BYTES: usize = 64 * 1024;

/// Adds the rules of the topology on every node.
///
/// # Errors
/// A fault that names the node, with the program's standard error.
pub fn add_firewall_rules(topology: &Topology, nodes: &NodeSet, processes: &mut Processes) -> Result<(), RequestError> {
    for node in 1..=topology.nodes.max(1) {
        if topology.kube_mark_masq {
            run_script(node, "add kube-proxy's KUBE-MARK-MASQ", KUBE_MARK_MASQ, &[], nodes, processes)?;
        }
        let Some(symmetric) = &topology.symmetric else { continue };
        let port = topology.ports.iter().find(|port| port.node == node && port.name == symmetric.interface);
        let action = format!("add symmetric routing on node {node}");
        let port = port.ok_or_else(|| fault(&action, format!("the node has no interface {}", symmetric.interface)))?;
        for gateway in &port.defaults {
            add_symmetric_marks(symmetric, node, gateway.is_ipv4(), nodes, processes)?;
        }
        nodes.run_on_node(node, || add_symmetric_routes(symmetric, port, &action))?;
    }
    Ok(())
}

fn add_symmetric_marks(
    symmetric: &Symmetric,
    node: usize,
    v4: bool,
    nodes: &NodeSet,
    processes: &mut Processes,
) -> Result<(), RequestError> {
    let (program, family, table) = match v4 {
        true => ("iptables", "ip", "terway_symmetric"),
        false => ("ip6tables", "ip6", "terway_symmetric_ipv6"),
    };
    let backend = match symmetric.backend {
        Backend::Iptables => "iptables",
        Backend::Nftables => "nftables",
    };
    let number = |value: u32| format!("{value:#x}");
    let (mark, mask, others) = (number(symmetric.mark), number(symmetric.mask), number(!symmetric.mask));
    let (interface, comment) = (symmetric.interface.as_str(), symmetric.comment.as_str());
    let arguments = [backend, program, family, table, interface, &mark, &mask, &others, comment];
    run_script(node, "add symmetric routing", SYMMETRIC, &arguments, nodes, processes)
}

/// Adds the rule for marked packets and its table.
fn add_symmetric_routes(symmetric: &Symmetric, port: &NodePort, action: &str) -> Result<(), RequestError> {
    let mut netlink = Netlink::open().during(action)?;
    let index = netlink.link_index(&symmetric.interface).during(action)?;
    for gateway in &port.defaults {
        let rule =
            NewRule::all(family(*gateway), symmetric.table, symmetric.priority).mark(symmetric.mark, symmetric.mask);
        allow_existing(netlink.add_rule(&rule)).during(action)?;
        let route = NewRoute::default_via(*gateway).link(index).table(symmetric.table).on_link();
        allow_existing(netlink.add_route(&route, Add::Exclusive)).during(action)?;
    }
    Ok(())
}

fn run_script(
    node: usize,
    action: &str,
    script: &str,
    arguments: &[&str],
    nodes: &NodeSet,
    processes: &mut Processes,
) -> Result<(), RequestError> {
    let argv = ["sh", "-c", script, "sh"].iter().chain(arguments).map(|&argument| argument.to_owned()).collect();
    let job = Job::new(argv, None, DEADLINE, STDOUT_CAP_BYTES);
    let started = nodes.run_on_node(node, || Ok(processes.start(&[job])?))?;
    let result = processes.finish(started)?.remove(0);
    if result.exit == Exit::Code(0) {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&result.stderr);
    let cause = match &result.start_error {
        Some(error) => format!("start a shell: {error}"),
        None => format!("{:?}: {}", result.exit, stderr.trim()),
    };
    Err(fault(format!("{action} on node {node}"), cause))
}
