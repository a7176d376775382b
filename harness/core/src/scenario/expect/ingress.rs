//! Ingress probes: `reachedBy`.

use super::Reader;
use crate::plan::{NodeAddress, Pod, PortMapping, ProbeEndpoint, Protocol, ReachedBy, SeenAs, Wanted};
use crate::scenario::file::ReachedByFile;
use crate::scenario::names;
use crate::scenario::strict::Located;
use std::net::IpAddr;

/// The node that the pod is on.
const NODE: &str = "node";
/// Any node, by its number from 1.
const NODES: &str = "node-";

impl Reader<'_, '_> {
    /// All `reachedBy` of the pods of these names.
    pub(super) fn reached_by(&mut self, list: &[Located<ReachedByFile>], pods: &[String]) -> Vec<Wanted<ReachedBy>> {
        self.claims += list.len();
        let read = |item: &Located<ReachedByFile>| {
            self.one_reached_by(&item.value, pods).map(|value| self.mistakes.wanted(value, item))
        };
        list.iter().filter_map(read).collect()
    }

    fn one_reached_by(&mut self, file: &ReachedByFile, pods: &[String]) -> Option<ReachedBy> {
        const BY: [(&str, Protocol); 2] = [("udp", Protocol::Udp), ("tcp", Protocol::Tcp)];
        const AT: [(&str, NodeAddress); 2] = [(NODE, NodeAddress::Own), ("localhost", NodeAddress::Localhost)];
        let sender = self.sender(&file.sender);
        let by = self.mistakes.one_of(&file.by, &BY);
        let host_port = self.mistakes.read_number(&file.port, names::port);
        let at = match &file.at {
            None => Some(NodeAddress::Own),
            Some(at) => self.mistakes.one_of(at, &AT),
        };
        if let (Some(word), Some(NodeAddress::Localhost), Some(Some(_))) = (&file.at, at, &sender) {
            self.mistakes.fail(word, "is the localhost of the pod's own node; expected `sender: node`");
        }
        let v6 = file.v6.as_ref().is_some_and(|v6| v6.value);
        let seen_from = file.seen_from.as_ref().and_then(|word| self.seen_as(word, v6));
        if let Some(back_by) = &file.back_by {
            let ports = &self.scene.topology.ports;
            if !ports.iter().any(|port| port.name == back_by.value) {
                let message = format!("no node of this topology has a port `{}`", back_by.value);
                self.mistakes.fail_unknown(back_by, message, ports.iter().map(|port| port.name.as_str()));
            }
        }
        let container_port = self.container_port(file, by?, host_port?, pods)?;
        let back_by = self.wanted(file.back_by.as_ref());
        let (sender, at, by, host_port) = (sender?, at?, by?, host_port?);
        Some(ReachedBy { sender, at, by, host_port, container_port, v6, seen_from, back_by })
    }

    /// An endpoint by its name; the inner none is the node that the pod is on.
    fn sender(&mut self, name: &Located<String>) -> Option<Option<ProbeEndpoint>> {
        if let Some(endpoint) = self.scene.endpoint(&name.value) {
            return Some(Some(endpoint));
        }
        if name.value == NODE {
            return Some(None);
        }
        let nodes = self.scene.topology.nodes;
        let number = name.value.strip_prefix(NODES).and_then(|number| number.parse::<usize>().ok());
        match number {
            Some(number) if (1..=nodes).contains(&number) => return Some(Some(ProbeEndpoint::Node(number))),
            Some(number) => {
                self.mistakes.fail(name, format!("node {number}; this topology has nodes 1 to {nodes}"));
            }
            None => {
                let message = format!("there is neither a host nor a pod `{}` here, and it is no node", name.value);
                self.mistakes.fail_unknown(name, message, self.scene.endpoint_names().chain([NODE]));
            }
        }
        None
    }

    fn seen_as(&mut self, word: &Located<String>, v6: bool) -> Option<Wanted<Option<SeenAs>>> {
        let value = match word.value.parse::<IpAddr>() {
            Ok(address) if address.is_ipv6() != v6 => {
                self.mistakes.fail(word, format!("`{address}` is of another family than what is asked"));
                return None;
            }
            Ok(address) => Some(SeenAs::Address(address)),
            Err(_) => self.sender(word)?.map(SeenAs::Endpoint),
        };
        Some(self.mistakes.wanted(value, word))
    }

    /// The port of the pod that a port of the node leads to: what the pod itself requests.
    fn container_port(&mut self, file: &ReachedByFile, by: Protocol, host_port: u16, pods: &[String]) -> Option<u16> {
        let pod: &Pod = self.scene.pods.iter().find(|pod| pods.contains(&pod.name))?;
        let mappings = pod.port_mappings();
        let fits = |mapping: &&PortMapping| mapping.host_port == host_port && mapping.by() == Some(by);
        let found = mappings.iter().find(fits).map(|mapping| mapping.container_port);
        if found.is_none() {
            let all: Vec<String> =
                mappings.iter().map(|one| format!("{} {}", one.protocol.to_uppercase(), one.host_port)).collect();
            let has = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            let message = format!("pod `{}` has no hostPort {by} {host_port}; it has {has}", pod.name);
            self.mistakes.fail(&file.port, message);
        }
        found
    }
}
