//! The stand-in for the cloud's network: an engine's network on which every node has its second interface, and a router on it
//! and on the nodes' own network.
//!
//! As in a cloud, the router is the default gateway of nodes and pods, and packets to another node's pod pass it. It drops
//! packets that leave a second interface with a source address that does not belong to that interface. So a reply through the
//! second interface with the node's first address does not arrive, as in a cloud. All of it is removed with the cluster.

use crate::plugin_settings;
use crate::settings::{EniSettings, TerwaySettings};
use futures::future::try_join_all;
use ipnet::Ipv4Net;
use plumbline_cluster::naming::CLUSTER_LABEL;
use plumbline_cluster::node::{self, NETWORK, Node};
use plumbline_cluster::profile::{Loaded, NodeSpec, Role};
use plumbline_cluster::step::Found;
use plumbline_cluster::uplink;
use plumbline_testbed::engine::{Container, ContainerPlan, Engine, NetworkPlan};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, Run};
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::{Deadline, Look};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

const STAGE: &str = "eni-network";
/// The leases of the CNI plugin's stand-in.
const LEASES: &str = "/var/run/eni/plumbline-leases";
const ON_NODE: &str = include_str!("eni_node.sh");
const ON_ROUTER: &str = include_str!("eni_router.sh");
/// Sysctls of the router.
const ROUTER_SYSCTLS: [(&str, &str); 5] = [
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.default.send_redirects", "0"),
];
/// Deadline of a short script.
const SHORT: Duration = Duration::from_secs(30);
/// The longest wait for another process that creates a network.
const LEASE: Duration = Duration::from_secs(120);

/// The second network of a cluster.
pub(super) struct Eni<'a> {
    pub engine: &'a Engine,
    pub cluster: &'a str,
    pub loaded: &'a Loaded,
    pub nodes: &'a [Node],
}

/// The name of the engine's network in a cluster.
pub fn network_name(cluster: &str) -> String {
    format!("{cluster}.eni")
}

/// The name of the router's container in a cluster.
pub fn router_name(cluster: &str) -> String {
    format!("{cluster}.router")
}

/// The pod addresses of a node: the profile's pool for it. kind names the control plane and the workers in the profile's
/// order.
///
/// # Errors
/// `TestbedError` for a node that the profile does not have.
pub fn pool(loaded: &Loaded, cluster: &str, node: &str) -> Result<Ipv4Net, TestbedError> {
    let names = kind_names(loaded, cluster);
    let index = names.iter().position(|name| name == node);
    let pool = index.and_then(|index| TerwaySettings::read(loaded).ok()?.eni.pools.get(index).copied());
    pool.ok_or_else(|| TestbedError::new(STAGE, format!("profile {} has no node {node}", loaded.profile.metadata.name)))
}

/// The last host address of a subnet.
fn last_host(net: Ipv4Net) -> String {
    Ipv4Addr::from_bits(net.broadcast().to_bits() - 1).to_string()
}

/// kind's names of the profile's nodes, in their order.
fn kind_names(loaded: &Loaded, cluster: &str) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let name = |node: &NodeSpec| {
        let role = match node.role {
            Role::ControlPlane => "control-plane",
            Role::Worker => "worker",
        };
        let count = counts.entry(role).and_modify(|count| *count += 1).or_insert(1);
        if *count == 1 { format!("{cluster}-{role}") } else { format!("{cluster}-{role}{count}") }
    };
    loaded.profile.nodes.iter().map(name).collect()
}

fn require_good(state: &str, what: &str) -> Result<(), TestbedError> {
    let error = || TestbedError::new(STAGE, format!("{what} after its set-up: {state}"));
    (state == "good").then_some(()).ok_or_else(error)
}

impl Eni<'_> {
    fn settings(&self) -> Result<EniSettings, TestbedError> {
        Ok(TerwaySettings::read(self.loaded)?.eni)
    }

    /// Checks the network, the router and every node.
    pub async fn check(&self) -> Result<Found, TestbedError> {
        let network = network_name(self.cluster);
        if self.engine.network(&network).await?.is_none() {
            return Ok(Found::Lacking(format!("there is no network {network}")));
        }
        let Some(router) = self.router().await?.filter(|router| router.running) else {
            return Ok(Found::Lacking(format!("router {} does not run", router_name(self.cluster))));
        };
        let Some(hop) = router.addresses.get(NETWORK) else {
            return Ok(Found::Lacking(format!("router {} is not on the nodes' network", router.name)));
        };
        let state = self.run_on_router("check").await?;
        if state != "good" {
            return Ok(Found::Lacking(format!("router {}: {state}", router.name)));
        }
        let links = match self.list_links().await? {
            Look::There(links) => links,
            Look::NotYet(what) => return Ok(Found::Lacking(what)),
        };
        let found = try_join_all(self.nodes.iter().map(|node| self.run_on_node(node, "check", &links, hop))).await?;
        for (node, state) in self.nodes.iter().zip(found) {
            if state != "good" {
                return Ok(Found::Lacking(format!("node {}: {state}", node.name)));
            }
            let (file, wanted) =
                (plugin_settings::FILE, plugin_settings::to_text(&self.plugin_settings(node, &links)?));
            if node.read(file).await? != Some(wanted) {
                return Ok(Found::Lacking(format!("node {} has no {file}, or one with other content", node.name)));
            }
        }
        Ok(Found::Good)
    }

    /// Creates the missing parts. `image` is the router's, with iproute2 and iptables.
    pub async fn make(&self, run: &Run, image: &str) -> Result<(), TestbedError> {
        let network = network_name(self.cluster);
        let lease = Lease::take("engine-subnets", Kind::Exclusive, Deadline::after(LEASE)).await?;
        if self.engine.network(&network).await?.is_none() {
            let plan = NetworkPlan {
                name: network.clone(),
                labels: self.labels(),
                subnet: Some(self.loaded.profile.networking.pod_subnet.to_string()),
                // Gateways of scenarios usually have the first addresses, so the engine's gateway gets the last one.
                gateway: Some(last_host(self.loaded.profile.networking.pod_subnet)),
                options: BTreeMap::from([(uplink::MASQUERADE.to_owned(), "false".to_owned())]),
            };
            let effect = run.intend(Effect::Network { name: network.clone() })?;
            let hint = "another network has the same range; delete an older cluster: plumbline down --profile terway";
            self.engine.make_network(&plan).await.map_err(|error| error.with_hint(hint))?;
            // From now on it belongs to the cluster and is removed with it.
            run.done(effect)?;
        }
        drop(lease);
        self.make_router(run, image).await?;
        let containers = node::list_containers(self.engine, self.cluster).await?;
        let missing = containers.iter().filter(|container| !container.macs.contains_key(&network));
        try_join_all(missing.map(|container| self.engine.connect_network(&network, &container.name, None))).await?;
        require_good(&self.run_on_router("make").await?, "the router")?;
        let router = self.router().await?.unwrap_or_default();
        let hop = router.addresses.get(NETWORK).cloned().unwrap_or_default();
        let links = match self.list_links().await? {
            Look::There(links) => links,
            Look::NotYet(what) => return Err(TestbedError::new(STAGE, what)),
        };
        for node in self.nodes {
            let state = self.run_on_node(node, "make", &links, &hop).await?;
            require_good(&state, &format!("node {}", node.name))?;
            let line = plugin_settings::write_command(&self.plugin_settings(node, &links)?);
            node.run_ok(STAGE, &["sh", "-ec", &line]).await?;
        }
        Ok(())
    }

    fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(CLUSTER_LABEL.to_owned(), self.cluster.to_owned())])
    }

    async fn router(&self) -> Result<Option<Container>, TestbedError> {
        self.engine.container(&router_name(self.cluster)).await
    }

    async fn make_router(&self, run: &Run, image: &str) -> Result<(), TestbedError> {
        let (name, network) = (router_name(self.cluster), network_name(self.cluster));
        let address = self.settings()?.gateway.to_string();
        if let Some(mut router) = self.router().await? {
            if !router.running {
                // A stopped container has no addresses in the engine's answer, so they are checked after the start.
                self.engine.start(&name).await?;
                router = self.router().await?.unwrap_or_default();
            }
            if router.addresses.contains_key(NETWORK) && router.macs.contains_key(&network) {
                return Ok(());
            }
            self.engine.remove(&name).await?;
        }
        let start = ContainerPlan {
            name: name.clone(),
            image: image.to_owned(),
            command: vec!["sleep".to_owned(), "infinity".to_owned()],
            labels: self.labels(),
            capabilities: vec!["NET_ADMIN".to_owned()],
            network: Some(NETWORK.to_owned()),
            sysctls: ROUTER_SYSCTLS.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..ContainerPlan::default()
        };
        let effect = run.intend(Effect::Container { name: name.clone() })?;
        self.engine.start_new(&start).await?;
        self.engine.connect_network(&network, &name, Some(&address)).await?;
        run.done(effect)
    }

    async fn run_on_router(&self, what: &str) -> Result<String, TestbedError> {
        let (gateway, pods) =
            (self.settings()?.gateway.to_string(), self.loaded.profile.networking.pod_subnet.to_string());
        let argv = ["sh", "-c", ON_ROUTER, "sh", what, &gateway, &pods];
        let done = self.engine.exec_ok(STAGE, &router_name(self.cluster), &argv, None, SHORT).await?;
        Ok(done.stdout.trim().to_owned())
    }

    async fn run_on_node(
        &self,
        node: &Node,
        what: &str,
        links: &BTreeMap<String, String>,
        hop: &str,
    ) -> Result<String, TestbedError> {
        let link = links.get(&node.name).map_or("", String::as_str);
        let ran = node.run_ok(STAGE, &["sh", "-c", ON_NODE, "sh", what, link, hop]).await?;
        Ok(ran.stdout.trim().to_owned())
    }

    /// The second interface of each node, by the node's name; or the node that has none.
    async fn list_links(&self) -> Result<Look<BTreeMap<String, String>>, TestbedError> {
        let network = network_name(self.cluster);
        let containers = node::list_containers(self.engine, self.cluster).await?;
        let mut names = BTreeMap::new();
        for node in self.nodes {
            let mac = containers.iter().find(|c| c.name == node.name).and_then(|c| c.macs.get(&network));
            let Some(mac) = mac else { return Ok(Look::NotYet(format!("node {} is not on {network}", node.name))) };
            let links = uplink::list_links(node).await?;
            let Some(link) = links.iter().find(|link| link.mac.eq_ignore_ascii_case(mac)) else {
                return Ok(Look::NotYet(format!("node {} has no interface with the MAC address {mac}", node.name)));
            };
            names.insert(node.name.clone(), link.name.clone());
        }
        Ok(Look::There(names))
    }

    /// The settings of the CNI plugin's stand-in on a node.
    fn plugin_settings(&self, node: &Node, links: &BTreeMap<String, String>) -> Result<Value, TestbedError> {
        let eni = self.settings()?;
        Ok(json!({
            "eni": { "link": links.get(&node.name), "gateway": eni.gateway, "gateway6": null, "table": eni.table },
            "pool": pool(self.loaded, self.cluster, &node.name)?, "pool6": null,
            "subnet": self.loaded.profile.networking.pod_subnet, "leases": LEASES,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn loaded() -> Loaded {
        Loaded::read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.."), "terway").unwrap()
    }

    #[test]
    fn every_node_has_a_separate_pool() {
        let loaded = loaded();
        let of = |node: &str| pool(&loaded, "c", node).map(|net| net.to_string());
        assert_eq!(of("c-control-plane").unwrap(), "10.77.16.0/24");
        assert_eq!(of("c-worker").unwrap(), "10.77.17.0/24");
        assert_eq!(of("c-worker2").unwrap(), "10.77.18.0/24");
        assert!(of("c-worker3").unwrap_err().cause().contains("c-worker3"));
    }
}
