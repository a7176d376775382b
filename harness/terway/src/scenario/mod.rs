//! Scenarios whose pods come up behind Terway: the chain asked for is put into force by Terway's own means, the nodes get the
//! scenario's addresses for pods, and what is around them is on the networks that they have.
//!
//! A chain, and what lies on a node for the CNI plugin, are the whole cluster's: a scenario has them alone. The chain
//! stays when it ends, so that the next one with the same chain finds it in force; all else is put back.
//!
//! The scenario's nodes keep their own addresses on eth0. Machines outside have the scenario's, and ways to the nodes' own;
//! what a gateway has behind it, the router that stands in for the cloud's is told.

mod chain;
mod uplinks;

use crate::settings::TerwaySettings;
use crate::{eni, plugin_settings};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use ipnet::IpNet;
use plumbline_cluster::Cluster;
use plumbline_cluster::cluster::StagedNetwork;
use plumbline_cluster::node::{Node, in_scenario_order};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::Adaptation;
use plumbline_testbed::context::Context;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, EffectId, Run};
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::Deadline;
use std::sync::Arc;
use std::time::Duration;

use uplinks::behind_gateways;
pub(crate) use uplinks::networks;

const STAGE: &str = "terway-scenario";
/// How long other scenarios behind Terway are waited for.
const LEASE: Duration = Duration::from_secs(900);
/// The nodes' first interface, on the network that they share.
const FIRST: &str = "eth0";
/// The plugin by which such a chain is known.
const TERWAY: &str = "terway";
/// tuning's list of what it may set (plugins 1.9.1, `meta/tuning/tuning.go`).
const ALLOWED: &str = "/etc/cni/tuning/allowlist.conf";

/// Whether a plan's pods come up behind Terway.
pub fn is_behind(plan: &Plan) -> bool {
    plan.topology.default_network.as_ref().is_some_and(|own| own.plugins().iter().any(|plugin| plugin == TERWAY))
}

/// Why such a plan can't run on a cluster with Terway; none when it can.
pub fn lack(plan: &Plan) -> Option<String> {
    let ports = &plan.topology.ports;
    let v6 = ports.iter().any(|p| p.eni.as_ref().is_some_and(|e| e.pool6.is_some()) || p.addresses.iter().any(is_v6));
    if v6 {
        return Some("is for two families: the nodes here have IPv4 alone".to_owned());
    }
    let other = ports.iter().find(|port| port.eni.is_none() && port.name != FIRST);
    other.map(|port| format!("needs a node's own interface {}: the nodes here have {FIRST} alone", port.name))
}

fn is_v6(address: &IpNet) -> bool {
    address.addr().is_ipv6()
}

/// What was changed on the cluster for one scenario.
pub(crate) struct StagedTerway {
    cluster: Arc<Cluster>,
    run: Arc<Run>,
    /// Lines of shell that put it back, as the journal has them: the node, or none for the router.
    undo: Vec<(EffectId, Option<Node>, String)>,
    /// Chain and ground are this scenario's; given back when the ground is as it was.
    chain: Option<Lease>,
    /// The addresses of machines outside are this scenario's; given back when they are gone.
    _addresses: Lease,
}

impl StagedTerway {
    /// Puts the chain into force and the scenario's ground on the nodes; the ground stands in the scenario's journal.
    ///
    /// # Errors
    /// `TestbedError` when the chain does not come into force, or a node refuses.
    pub(crate) async fn stage(
        cluster: &Arc<Cluster>,
        cx: &Context,
        run: &Arc<Run>,
        plan: &Plan,
    ) -> Result<(Self, Vec<Adaptation>), TestbedError> {
        let lease = Lease::take(&lease_of(cluster), Kind::Exclusive, Deadline::after(LEASE)).await?;
        let adaptations = Box::pin(chain::in_force(cluster, cx, plan)).await?;
        // Never the other way round: who has the addresses waits for nobody.
        let addresses = format!("{}-addresses", cluster.name);
        let addresses = Lease::take(&addresses, Kind::Exclusive, Deadline::after(LEASE)).await?;
        let mut behind = Self {
            cluster: cluster.clone(),
            run: run.clone(),
            undo: Vec::new(),
            chain: Some(lease),
            _addresses: addresses,
        };
        match behind.ground(plan).await {
            Ok(()) => Ok((behind, adaptations)),
            Err(error) => {
                behind.undo().await;
                Err(error)
            }
        }
    }

    async fn ground(&mut self, plan: &Plan) -> Result<(), TestbedError> {
        let cluster = self.cluster.clone();
        let places: Vec<Node> = in_scenario_order(&cluster.nodes).into_iter().cloned().collect();
        let provided =
            cluster.provided.as_ref().ok_or_else(|| TestbedError::new(STAGE, "the cluster has no provider"))?;
        let table = TerwaySettings::read(&provided.loaded)?.eni.table + 1;
        for port in &plan.topology.ports {
            let node = places.get(port.node.wrapping_sub(1));
            let node = node.ok_or_else(|| TestbedError::new(STAGE, format!("there is no node {}", port.node)))?;
            if let Some(eni) = &port.eni {
                let old = plugin_settings::read(node).await?;
                let link = old["eni"]["link"].as_str().unwrap_or_default();
                if link != port.name {
                    let what = format!("node {} has its second interface as {link}, not as {}", node.name, port.name);
                    return Err(TestbedError::new(STAGE, what));
                }
                let mut new = eni.settings(&port.name);
                // Another one than the cluster's own pods have: theirs is not led to the scenario's gateway.
                new["eni"]["table"] = table.into();
                // Scenarios one after the other have the same addresses, each with machines of its own behind them.
                let line = format!("ip neigh flush dev {link}\n{}", plugin_settings::line(&new));
                self.change(Some(node), &line, plugin_settings::line(&old), plugin_settings::FILE).await?;
            }
            for net in port.addresses.iter().map(IpNet::trunc) {
                // The router too: what symmetric routing sends back goes to the nodes' default gateway, whoever asked.
                for party in [Some(node), None] {
                    let back = format!("ip route flush exact {net} dev {FIRST}");
                    let what = format!("route to {net}");
                    let line = format!("ip route replace {net} dev {FIRST}; ip neigh flush to {net} dev {FIRST}");
                    self.change(party, &line, back, &what).await?;
                }
            }
        }
        if plan.topology.tuning_allow_list.is_empty() {
            // A killed run's, which `gc` has not taken away yet, would be the tuning plugin's fault.
            for node in &places {
                self.on(Some(node), &format!("rm -f {ALLOWED}")).await?;
            }
        } else {
            let lines = plan.topology.tuning_allow_list.join("\n");
            for node in places.iter().take(plan.topology.nodes.max(1)) {
                let line =
                    format!("mkdir -p {folder} && cat > {ALLOWED} <<'END'\n{lines}\nEND\n", folder = folder(ALLOWED));
                self.change(Some(node), &line, format!("rm -f {ALLOWED}"), ALLOWED).await?;
            }
        }
        for (net, via) in behind_gateways(plan) {
            let (to, back) = (format!("{net} via {via} dev {FIRST} onlink"), format!("ip route flush exact {net}"));
            self.change(None, &format!("ip route replace {to}"), back, &format!("route to {net}")).await?;
        }
        Ok(())
    }

    /// Makes a change that outlives the run unless it is taken back: the journal has it first.
    async fn change(&mut self, node: Option<&Node>, line: &str, back: String, what: &str) -> Result<(), TestbedError> {
        let container = node.map_or_else(|| eni::router_name(&self.cluster.name), |node| node.name.clone());
        let lease = lease_of(&self.cluster);
        let id = self.run.intend(Effect::Inside { container, undo: back.clone(), what: what.to_owned(), lease })?;
        self.undo.push((id, node.cloned(), back));
        self.on(node, line).await
    }

    async fn on(&self, node: Option<&Node>, line: &str) -> Result<(), TestbedError> {
        let argv = ["sh", "-ec", line];
        match node {
            Some(node) => node.must(STAGE, &argv).await.map(drop),
            None => {
                let router = eni::router_name(&self.cluster.name);
                let engine = self.cluster.engine();
                engine.exec_ok(STAGE, &router, &argv, None, Duration::from_secs(20)).await.map(drop)
            }
        }
    }
}

impl StagedNetwork for StagedTerway {
    /// Puts everything back but the chain, which the next one may change from then on.
    fn undo(&mut self) -> BoxFuture<'_, Vec<String>> {
        async {
            let mut left = Vec::new();
            for (id, node, line) in std::mem::take(&mut self.undo).into_iter().rev() {
                let undone = self.on(node.as_ref(), &line).await.and_then(|()| self.run.done(id));
                left.extend(undone.err().map(|error| error.to_string()));
            }
            self.chain = None;
            left
        }
        .boxed()
    }
}

/// The lease under which chain and ground are changed.
fn lease_of(cluster: &Cluster) -> String {
    format!("{}-chain", cluster.name)
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::uplinks::tests::plan;
    use super::*;

    #[test]
    fn a_chain_with_terway_is_for_one_family_and_one_interface_of_its_own() {
        let behind = plan(r#"{"type":"terway"}"#);
        assert_eq!(lack(&behind), None);
        assert!(!is_behind(&plan(r#"{"type":"ptp"}"#)));
        let mut two = plan(r#"{"type":"terway"}"#);
        two.topology.ports[0].addresses.push("fd66::10/64".parse().unwrap());
        assert!(lack(&two).unwrap().contains("two families"));
        let mut other = plan(r#"{"type":"terway"}"#);
        other.topology.ports[0].name = "ens5".into();
        assert!(lack(&other).unwrap().contains("ens5"));
    }
}
