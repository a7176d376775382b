//! Opening the lane.

use super::binaries::{self, Binaries};
use super::host::check_host;
use super::networks::NodeNetworks;
use super::scenario;
use crate::agent::NodeAgent;
use crate::context::Context;
use crate::host::{Capabilities, Capability};
use crate::lane::{HostReport, Lane, OpenLane, StagedScenario, TestSettings, find_missing_plugin};
use futures::FutureExt;
use futures::future::BoxFuture;
use plumbline_core::plan::Plan;
use plumbline_core::protocol::Probed;
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The netns lane.
#[derive(Debug, Clone, Copy, Default)]
pub struct NetnsLane;

impl Lane for NetnsLane {
    fn name(&self) -> &'static str {
        "netns"
    }

    fn summary(&self) -> &'static str {
        "real plugins on a private node made of namespaces; no cluster, and no root where the host allows it"
    }

    fn preparation(&self) -> &'static str {
        "builds agent and plugins"
    }

    fn test_settings(&self) -> TestSettings {
        TestSettings { by_default: true, max_threads: 2, slow_seconds: 30, setup_seconds: 1800, ..Default::default() }
    }

    fn capability_hint(&self) -> &'static str {
        "load the kernel module, or run with --lane vm"
    }

    fn check_host<'a>(&'a self, cx: &'a Context, _build: bool) -> BoxFuture<'a, Result<HostReport, TestbedError>> {
        async move { Ok(HostReport { checks: check_host(cx).await, can_open: true }) }.boxed()
    }

    fn open<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result<Box<dyn OpenLane>, TestbedError>> {
        async move { Ok(Box::new(open(cx).await?) as Box<dyn OpenLane>) }.boxed()
    }
}

/// Starts the agents of nodes: each call gives a new agent with its own node.
pub trait NodeSource: Send + Sync {
    /// Starts an agent, without sending anything to it.
    fn start_agent(&self) -> BoxFuture<'_, Result<NodeAgent, TestbedError>>;
    /// The node's name in observations.
    fn name(&self) -> &'static str;
    /// How scenarios are isolated, for the report.
    fn isolation(&self) -> &'static str;
}

/// Agents that are children of this process.
struct LocalNodes(Vec<String>);

impl NodeSource for LocalNodes {
    fn start_agent(&self) -> BoxFuture<'_, Result<NodeAgent, TestbedError>> {
        std::future::ready(NodeAgent::start(&self.0)).boxed()
    }

    fn name(&self) -> &'static str {
        "netns"
    }

    fn isolation(&self) -> &'static str {
        "a private node of its own"
    }
}

/// The open lane: its binaries, and the capabilities of the host.
pub struct OpenNetns {
    pub(super) nodes: Box<dyn NodeSource>,
    pub(super) binaries: Binaries,
    pub(super) networks: NodeNetworks,
    offers: Capabilities,
    /// The node on which the host was probed. It ends when the lane closes: ending it earlier would delay the first
    /// scenario, because the kernel removes links under the lock under which it makes them.
    probed: Mutex<Option<NodeAgent>>,
}

impl OpenNetns {
    /// The lane with nodes that are not on this host and that were already probed.
    pub fn with_nodes(
        nodes: Box<dyn NodeSource>,
        binaries: Binaries,
        networks: NodeNetworks,
        offers: Capabilities,
    ) -> Self {
        Self { nodes, binaries, networks, offers, probed: Mutex::new(None) }
    }
}

/// Finds the binaries. Checks on a first node that they start, and probes the kernel there.
async fn open(cx: &Context) -> Result<OpenNetns, TestbedError> {
    let networks = NodeNetworks::read(&cx.root)?;
    let mut binaries = binaries::find(cx).await?;
    let mut agent = NodeAgent::start(&binaries.node)?;
    agent.check_protocol().await?;
    binaries::check(&mut binaries, &mut agent).await?;
    let probed = agent.probe_kernel().await?;
    let nodes = Box::new(LocalNodes(binaries.node.clone()));
    Ok(OpenNetns { nodes, binaries, networks, offers: capabilities(probed), probed: Mutex::new(Some(agent)) })
}

/// The capabilities that an agent probed.
pub fn capabilities(probed: BTreeMap<String, Probed>) -> Capabilities {
    Capabilities(
        probed.into_iter().map(|(name, one)| (name, Capability { there: one.there, seen: one.seen })).collect(),
    )
}

impl OpenLane for OpenNetns {
    fn profile(&self) -> Option<String> {
        None
    }

    fn offers(&self) -> &Capabilities {
        &self.offers
    }

    fn lack(&self, plan: &Plan) -> Option<String> {
        let lack = plan.unmet.clone();
        let lack = lack.or_else(|| find_missing_plugin(plan, |plugin| self.binaries.names.contains(plugin)));
        lack.or_else(|| self.offers.lack(&plan.requires))
    }

    fn stage<'a>(
        &'a self,
        cx: &'a Context,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<Box<dyn StagedScenario>, TestbedError>> {
        async move { Ok(Box::new(scenario::stage(self, cx, plan).await?) as Box<dyn StagedScenario>) }.boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Vec<String>> {
        let mut probed = self.probed.into_inner().unwrap_or_else(PoisonError::into_inner);
        async move {
            if let Some(probed) = &mut probed {
                probed.end().await;
            }
            Vec::new()
        }
        .boxed()
    }
}
