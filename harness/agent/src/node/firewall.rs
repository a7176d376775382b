//! Rules that a node of a cluster behind Terway has before any pod, laid here where nobody else lays them: kube-proxy's
//! mark and masquerade, and symmetric routing as terway-cli has it.

use std::time::Duration;

use ipnet::IpNet;
use plumbline_core::cni::Exit;
use plumbline_core::plan::{Backend, NodePort, Symmetric, Topology};
use plumbline_netlink::packet::AddressFamily;
use plumbline_netlink::{Add, Netlink, NewRoute, NewRule};

use super::bridges::kept;
use crate::place::Place;
use crate::process::Job;
use crate::spawn::Program;
use crate::trouble::{Doing, Trouble, fault};

const KUBE_MARK_MASQ: &str = include_str!("kube_mark_masq.sh");
const SYMMETRIC: &str = include_str!("symmetric.sh");

/// Some twenty rules, each a process; modules may have to be loaded for the first.
const DEADLINE: Duration = Duration::from_secs(30);

const STDOUT_CAP_BYTES: usize = 64 * 1024;

/// Lays on every node what the topology has.
///
/// # Errors
/// A fault that names the node, and the program's own words.
pub fn lay(topology: &Topology, place: &mut Place) -> Result<(), Trouble> {
    for node in 1..=topology.nodes.max(1) {
        if topology.kube_mark_masq {
            run(node, "lay kube-proxy's KUBE-MARK-MASQ", KUBE_MARK_MASQ, &[], place)?;
        }
        let Some(symmetric) = &topology.symmetric else { continue };
        let port = topology.ports.iter().find(|port| port.node == node && port.name == symmetric.interface);
        let doing = format!("lay symmetric routing on node {node}");
        let port = port.ok_or_else(|| fault(&doing, format!("it has no {}", symmetric.interface)))?;
        for gateway in &port.defaults {
            symmetric_of(symmetric, node, gateway.is_ipv4(), place)?;
        }
        place.bed.on(node, || routes(symmetric, port, &doing))?;
    }
    Ok(())
}

fn symmetric_of(symmetric: &Symmetric, node: usize, v4: bool, place: &mut Place) -> Result<(), Trouble> {
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
    run(node, "lay symmetric routing", SYMMETRIC, &arguments, place)
}

/// The rule for marked packets, and the table it sends them to.
fn routes(symmetric: &Symmetric, port: &NodePort, doing: &str) -> Result<(), Trouble> {
    let mut netlink = Netlink::open().doing(doing)?;
    let index = netlink.link_index(&symmetric.interface).doing(doing)?;
    for gateway in &port.defaults {
        let (family, everything) = match gateway.is_ipv4() {
            true => (AddressFamily::Inet, IpNet::V4(Default::default())),
            false => (AddressFamily::Inet6, IpNet::V6(Default::default())),
        };
        let rule = NewRule::all(family, symmetric.table, symmetric.priority).mark(symmetric.mark, symmetric.mask);
        kept(netlink.add_rule(&rule)).doing(doing)?;
        let route = NewRoute::to(everything).via(*gateway).link(index).table(symmetric.table).on_link();
        kept(netlink.add_route(&route, Add::Exclusive)).doing(doing)?;
    }
    Ok(())
}

fn run(node: usize, doing: &str, script: &str, arguments: &[&str], place: &mut Place) -> Result<(), Trouble> {
    let argv = ["sh", "-c", script, "sh"].iter().chain(arguments).map(|&word| word.to_owned()).collect();
    let job = Job {
        program: Program { argv, ..Program::default() },
        stdin: Vec::new(),
        deadline: DEADLINE,
        stdout_cap: STDOUT_CAP_BYTES,
    };
    let runner = &place.runner;
    let started = place.bed.on(node, || Ok(runner.start(&[job])?))?;
    let end = runner.finish(started, &mut place.input)?.remove(0);
    if end.exit == Exit::Code(0) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&end.stderr);
    let cause = match &end.start_error {
        Some(error) => format!("no shell: {error}"),
        None => format!("{:?}: {}", end.exit, said.trim()),
    };
    Err(fault(format!("{doing} on node {node}"), cause))
}
