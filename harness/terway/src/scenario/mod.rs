//! Scenarios with Terway as default network. Terway's own components apply the requested chain, the nodes get the scenario's
//! pool of pod addresses, and external hosts are on the nodes' networks.
//!
//! The whole cluster shares the chain and the settings of the CNI plugin on the nodes, so a scenario holds them exclusively.
//! The chain stays after the scenario, so that the next scenario with the same chain can use it. Everything else is undone.
//!
//! The scenario's nodes keep their own addresses on eth0. External hosts have the scenario's addresses, and routes to the
//! nodes' own. The stand-in for the cloud's router gets routes to the networks behind the scenario's gateways.

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

pub(crate) use uplinks::ensure_networks;
use uplinks::routes_behind_gateways;

const STAGE: &str = "terway-scenario";
/// The longest wait for other scenarios with Terway.
const LEASE: Duration = Duration::from_secs(900);
/// The nodes' first interface, on their common network.
const FIRST: &str = "eth0";
/// The plugin that identifies a chain of Terway.
const TERWAY: &str = "terway";
/// tuning's list of allowed sysctls (plugins 1.9.1, `meta/tuning/tuning.go`).
const ALLOWED: &str = "/etc/cni/tuning/allowlist.conf";

/// Whether a plan's pods have Terway as default network.
pub fn is_behind(plan: &Plan) -> bool {
    plan.topology.default_network.as_ref().is_some_and(|own| own.plugins().iter().any(|plugin| plugin == TERWAY))
}

/// The reason why such a plan can't run on a cluster with Terway; none if it can.
pub fn find_lack(plan: &Plan) -> Option<String> {
    let ports = &plan.topology.ports;
    let v6 = ports.iter().any(|p| p.eni.as_ref().is_some_and(|e| e.pool6.is_some()) || p.addresses.iter().any(is_v6));
    if v6 {
        return Some("is for two families: the nodes of this cluster have only IPv4".to_owned());
    }
    let other = ports.iter().find(|port| port.eni.is_none() && port.name != FIRST);
    other.map(|port| format!("needs a node's own interface {}: the nodes of this cluster have only {FIRST}", port.name))
}

fn is_v6(address: &IpNet) -> bool {
    address.addr().is_ipv6()
}

/// The changes of the cluster for one scenario.
pub(crate) struct StagedTerway {
    cluster: Arc<Cluster>,
    run: Arc<Run>,
    /// Shell commands that undo the changes, as in the journal, with their node; none for the router.
    undo: Vec<(EffectId, Option<Node>, String)>,
    /// The exclusive lease on the chain and the nodes' settings, released when the settings are undone.
    chain: Option<Lease>,
    /// The exclusive lease on the addresses of external hosts, released when the hosts are gone.
    _addresses: Lease,
}

impl StagedTerway {
    /// Applies the chain and the scenario's settings of the nodes. The scenario's journal records the settings.
    ///
    /// # Errors
    /// `TestbedError` when the chain fails, or a node refuses.
    pub(crate) async fn stage(
        cluster: &Arc<Cluster>,
        cx: &Context,
        run: &Arc<Run>,
        plan: &Plan,
    ) -> Result<(Self, Vec<Adaptation>), TestbedError> {
        let lease = Lease::take(&lease_name(cluster), Kind::Exclusive, Deadline::after(LEASE)).await?;
        let adaptations = Box::pin(chain::ensure_chain(cluster, cx, plan)).await?;
        // Always in this order, so that a holder of the addresses waits for no other lease.
        let addresses = format!("{}-addresses", cluster.name);
        let addresses = Lease::take(&addresses, Kind::Exclusive, Deadline::after(LEASE)).await?;
        let mut staged = Self {
            cluster: cluster.clone(),
            run: run.clone(),
            undo: Vec::new(),
            chain: Some(lease),
            _addresses: addresses,
        };
        match staged.prepare_nodes(plan).await {
            Ok(()) => Ok((staged, adaptations)),
            Err(error) => {
                staged.undo().await;
                Err(error)
            }
        }
    }

    async fn prepare_nodes(&mut self, plan: &Plan) -> Result<(), TestbedError> {
        let cluster = self.cluster.clone();
        let nodes: Vec<Node> = in_scenario_order(&cluster.nodes).into_iter().cloned().collect();
        let provided =
            cluster.provided.as_ref().ok_or_else(|| TestbedError::new(STAGE, "the cluster has no provider"))?;
        let table = TerwaySettings::read(&provided.loaded)?.eni.table + 1;
        for port in &plan.topology.ports {
            let node = nodes.get(port.node.wrapping_sub(1));
            let node = node.ok_or_else(|| TestbedError::new(STAGE, format!("there is no node {}", port.node)))?;
            if let Some(eni) = &port.eni {
                let old = plugin_settings::read(node).await?;
                let link = old["eni"]["link"].as_str().unwrap_or_default();
                if link != port.name {
                    let what = format!("second interface of node {}: expected {}, found {link}", node.name, port.name);
                    return Err(TestbedError::new(STAGE, what));
                }
                let mut new = eni.settings(&port.name);
                // A separate table, so that the cluster's own pods do not use the scenario's gateway.
                new["eni"]["table"] = table.into();
                // Consecutive scenarios have the same addresses, but different hosts behind them.
                let line = format!("ip neigh flush dev {link}\n{}", plugin_settings::write_command(&new));
                let undo = plugin_settings::write_command(&old);
                self.change(Some(node), &line, undo, plugin_settings::FILE).await?;
            }
            for net in port.addresses.iter().map(IpNet::trunc) {
                // The router too: replies of symmetric routing go to the nodes' default gateway, whatever host sent the request.
                for target in [Some(node), None] {
                    let back = format!("ip route flush exact {net} dev {FIRST}");
                    let what = format!("route to {net}");
                    let line = format!("ip route replace {net} dev {FIRST}; ip neigh flush to {net} dev {FIRST}");
                    self.change(target, &line, back, &what).await?;
                }
            }
        }
        if plan.topology.tuning_allow_list.is_empty() {
            // The list of a killed run, which `gc` has not removed yet, would change the tuning plugin's result.
            for node in &nodes {
                self.run_on(Some(node), &format!("rm -f {ALLOWED}")).await?;
            }
        } else {
            let lines = plan.topology.tuning_allow_list.join("\n");
            for node in nodes.iter().take(plan.topology.nodes.max(1)) {
                let line = format!(
                    "mkdir -p {folder} && cat > {ALLOWED} <<'END'\n{lines}\nEND\n",
                    folder = parent_folder(ALLOWED)
                );
                self.change(Some(node), &line, format!("rm -f {ALLOWED}"), ALLOWED).await?;
            }
        }
        for (net, via) in routes_behind_gateways(plan) {
            let (to, back) = (format!("{net} via {via} dev {FIRST} onlink"), format!("ip route flush exact {net}"));
            self.change(None, &format!("ip route replace {to}"), back, &format!("route to {net}")).await?;
        }
        Ok(())
    }

    /// Makes a change that outlives the run unless it is undone. The journal records it first.
    async fn change(&mut self, node: Option<&Node>, line: &str, back: String, what: &str) -> Result<(), TestbedError> {
        let container = node.map_or_else(|| eni::router_name(&self.cluster.name), |node| node.name.clone());
        let lease = lease_name(&self.cluster);
        let id = self.run.intend(Effect::Inside { container, undo: back.clone(), what: what.to_owned(), lease })?;
        self.undo.push((id, node.cloned(), back));
        self.run_on(node, line).await
    }

    async fn run_on(&self, node: Option<&Node>, line: &str) -> Result<(), TestbedError> {
        let argv = ["sh", "-ec", line];
        match node {
            Some(node) => node.run_ok(STAGE, &argv).await.map(drop),
            None => {
                let router = eni::router_name(&self.cluster.name);
                let engine = self.cluster.engine();
                engine.exec_ok(STAGE, &router, &argv, None, Duration::from_secs(20)).await.map(drop)
            }
        }
    }
}

impl StagedNetwork for StagedTerway {
    /// Undoes everything except the chain, which the next scenario may change afterwards.
    fn undo(&mut self) -> BoxFuture<'_, Vec<String>> {
        async {
            let mut failures = Vec::new();
            for (id, node, line) in std::mem::take(&mut self.undo).into_iter().rev() {
                let undone = self.run_on(node.as_ref(), &line).await.and_then(|()| self.run.done(id));
                failures.extend(undone.err().map(|error| error.to_string()));
            }
            self.chain = None;
            failures
        }
        .boxed()
    }
}

/// The name of the lease for changes of the chain and of the nodes' settings.
fn lease_name(cluster: &Cluster) -> String {
    format!("{}-chain", cluster.name)
}

fn parent_folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::uplinks::tests::plan;
    use super::*;

    #[test]
    fn a_plan_with_two_families_or_another_interface_is_skipped() {
        let behind = plan(r#"{"type":"terway"}"#);
        assert_eq!(find_lack(&behind), None);
        assert!(!is_behind(&plan(r#"{"type":"ptp"}"#)));
        let mut two = plan(r#"{"type":"terway"}"#);
        two.topology.ports[0].addresses.push("fd66::10/64".parse().unwrap());
        assert!(find_lack(&two).unwrap().contains("two families"));
        let mut other = plan(r#"{"type":"terway"}"#);
        other.topology.ports[0].name = "ens5".into();
        assert!(find_lack(&other).unwrap().contains("ens5"));
    }
}
