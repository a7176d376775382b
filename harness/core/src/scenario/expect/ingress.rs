//! Ingress probes: `reachedBy`.

use super::Reader;
use crate::plan::{NodeAddress, Pod, PortMapping, ProbeEndpoint, Protocol, ReachedBy, SeenAs, Wanted};
use crate::scenario::file::ReachedByFile;
use crate::scenario::names;
use crate::scenario::strict::{self, Located};
use std::net::IpAddr;

/// The node that the pod is on.
const NODE: &str = "node";
/// Any node, by its number from 1.
const NODES: &str = "node-";

impl Reader<'_> {
    /// All `reachedBy` of the pods of these names.
    pub(super) fn reached_by(
        &mut self,
        list: &[Located<ReachedByFile>],
        pods: &[String],
        field: &str,
    ) -> Vec<Wanted<ReachedBy>> {
        let mut found = Vec::new();
        for (index, item) in list.iter().enumerate() {
            self.claims += 1;
            if let Some(value) = self.one_reached_by(item, pods, &format!("{field}[{index}]")) {
                found.push(Wanted { value, source: strict::source(self.file, item) });
            }
        }
        found
    }

    fn one_reached_by(&mut self, item: &Located<ReachedByFile>, pods: &[String], field: &str) -> Option<ReachedBy> {
        const BY: [(&str, Protocol); 2] = [("udp", Protocol::Udp), ("tcp", Protocol::Tcp)];
        const AT: [(&str, NodeAddress); 2] = [(NODE, NodeAddress::Own), ("localhost", NodeAddress::Localhost)];
        let file = &item.value;
        let sender = self.sender(&file.sender, &format!("{field}.sender"));
        let by = self.one_of(&file.by, &format!("{field}.by"), &BY);
        let host_port = self.check(&file.port, &format!("{field}.port"), names::port(file.port.value));
        let at = match &file.at {
            None => Some(NodeAddress::Own),
            Some(at) => self.one_of(at, &format!("{field}.at"), &AT),
        };
        if let (Some(word), Some(NodeAddress::Localhost), Some(Some(_))) = (&file.at, at, &sender) {
            let message = "is the localhost of the pod's own node; expected `sender: node`";
            self.note(word, &format!("{field}.at"), message);
        }
        let v6 = file.v6.as_ref().is_some_and(|v6| v6.value);
        let seen_from = file.seen_from.as_ref().and_then(|word| self.seen_as(word, v6, &format!("{field}.seenFrom")));
        if let Some(back_by) = &file.back_by {
            let field = format!("{field}.backBy");
            let ports = &self.scene.topology.ports;
            if !ports.iter().any(|port| port.name == back_by.value) {
                let message = format!("no node of this topology has a port `{}`", back_by.value);
                self.unknown(back_by, &field, message, ports.iter().map(|port| port.name.as_str()));
            }
        }
        let container_port = self.container_port(file, by?, host_port?, pods, field)?;
        Some(ReachedBy {
            sender: sender?,
            at: at?,
            by: by?,
            host_port: host_port?,
            container_port,
            v6,
            seen_from,
            back_by: self.wanted(file.back_by.as_ref()),
        })
    }

    /// An endpoint by its name; the inner none is the node that the pod is on.
    fn sender(&mut self, name: &Located<String>, field: &str) -> Option<Option<ProbeEndpoint>> {
        if let Some(endpoint) = self.scene.endpoint(&name.value) {
            return Some(Some(endpoint));
        }
        if name.value == NODE {
            return Some(None);
        }
        let nodes = self.scene.topology.nodes;
        let number = name.value.strip_prefix(NODES).and_then(|number| number.parse::<usize>().ok());
        match number {
            Some(number) if (1..=nodes).contains(&number) => Some(Some(ProbeEndpoint::Node(number))),
            Some(number) => {
                self.note(name, field, format!("node {number}; this topology has nodes 1 to {nodes}"));
                None
            }
            None => {
                let message = format!("there is neither a host nor a pod `{}` here, and it is no node", name.value);
                self.unknown(name, field, message, self.scene.endpoint_names().chain([NODE]));
                None
            }
        }
    }

    fn seen_as(&mut self, word: &Located<String>, v6: bool, field: &str) -> Option<Wanted<Option<SeenAs>>> {
        let value = match word.value.parse::<IpAddr>() {
            Ok(address) if address.is_ipv6() != v6 => {
                self.note(word, field, format!("`{address}` is of another family than what is asked"));
                return None;
            }
            Ok(address) => Some(SeenAs::Address(address)),
            Err(_) => self.sender(word, field)?.map(SeenAs::Endpoint),
        };
        Some(Wanted { value, source: strict::source(self.file, word) })
    }

    /// The port of the pod that a port of the node leads to: what the pod itself asks for.
    fn container_port(
        &mut self,
        file: &ReachedByFile,
        by: Protocol,
        host_port: u16,
        pods: &[String],
        field: &str,
    ) -> Option<u16> {
        let pod: &Pod = self.scene.pods.iter().find(|pod| pods.contains(&pod.name))?;
        let mappings = pod.port_mappings();
        let fits = |mapping: &&PortMapping| mapping.host_port == host_port && mapping.by() == Some(by);
        let found = mappings.iter().find(fits).map(|mapping| mapping.container_port);
        if found.is_none() {
            let all: Vec<String> =
                mappings.iter().map(|one| format!("{} {}", one.protocol.to_uppercase(), one.host_port)).collect();
            let has = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            let message = format!("pod `{}` has no hostPort {by} {host_port}; it has {has}", pod.name);
            self.note(&file.port, &format!("{field}.port"), message);
        }
        found
    }
}
