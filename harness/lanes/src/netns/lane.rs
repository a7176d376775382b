//! Opening the lane.

use super::binaries::{self, Binaries};
use super::host::check_host;
use super::networks::NodeNetworks;
use super::scene;
use crate::agent::LocalAgent;
use crate::context::Context;
use crate::lane::{HostReport, Lane, Offer, Offers, OpenLane, Scene, TestSettings};
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
        TestSettings {
            by_default: true,
            max_threads: 2,
            test_threads: None,
            priority: 0,
            slow_seconds: 30,
            grace_seconds: None,
            setup_seconds: 1800,
        }
    }

    fn capability_hint(&self) -> &'static str {
        "load the kernel module, or run with --lane vm"
    }

    fn check_host<'a>(&'a self, cx: &'a Context, _build: bool) -> BoxFuture<'a, Result<HostReport, TestbedError>> {
        async move { Ok(HostReport { checks: check_host(cx).await, can_open: true }) }.boxed()
    }

    fn open<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result<Box<dyn OpenLane>, TestbedError>> {
        async move {
            let open = open(cx).await?;
            Ok(Box::new(open) as Box<dyn OpenLane>)
        }
        .boxed()
    }
}

/// Where the agents of nodes come from: each call gives a new one, with a node of its own.
pub trait Nodes: Send + Sync {
    /// Starts an agent; it has not been spoken to.
    fn agent(&self) -> BoxFuture<'_, Result<LocalAgent, TestbedError>>;
    /// The node's name in observations.
    fn name(&self) -> &'static str;
    /// How scenarios are kept apart, for the report.
    fn isolation(&self) -> &'static str;
}

/// Agents that are children of this process.
struct Here(Vec<String>);

impl Nodes for Here {
    fn agent(&self) -> BoxFuture<'_, Result<LocalAgent, TestbedError>> {
        std::future::ready(LocalAgent::start(&self.0)).boxed()
    }

    fn name(&self) -> &'static str {
        "netns"
    }

    fn isolation(&self) -> &'static str {
        "a private node of its own"
    }
}

/// The lane, open: which binaries are used, and what the host offers.
pub struct OpenNetns {
    pub(super) nodes: Box<dyn Nodes>,
    pub(super) binaries: Binaries,
    pub(super) networks: NodeNetworks,
    offers: Offers,
    /// The node that the host was probed on. It goes when the lane closes: its end would hold up the first scenario,
    /// since the kernel takes links away under the same lock under which it makes them.
    probed: Mutex<Option<LocalAgent>>,
}

impl OpenNetns {
    /// The lane with nodes from elsewhere, of which everything is known already.
    #[must_use]
    pub fn elsewhere(nodes: Box<dyn Nodes>, binaries: Binaries, networks: NodeNetworks, offers: Offers) -> Self {
        Self { nodes, binaries, networks, offers, probed: Mutex::new(None) }
    }
}

/// Finds the binaries, and learns on a first node whether they start and what the kernel can do.
async fn open(cx: &Context) -> Result<OpenNetns, TestbedError> {
    let networks = NodeNetworks::read(&cx.root)?;
    let mut binaries = binaries::find(cx).await?;
    let mut agent = LocalAgent::start(&binaries.node)?;
    agent.hello().await?;
    binaries::check(&mut binaries, &mut agent).await?;
    let probed = agent.probe().await?;
    let nodes = Box::new(Here(binaries.node.clone()));
    Ok(OpenNetns { nodes, binaries, networks, offers: offers(probed), probed: Mutex::new(Some(agent)) })
}

/// What an agent's probe says of the lane.
#[must_use]
pub fn offers(probed: BTreeMap<String, Probed>) -> Offers {
    Offers(probed.into_iter().map(|(name, one)| (name, Offer { there: one.there, seen: one.seen })).collect())
}

impl OpenLane for OpenNetns {
    fn profile(&self) -> Option<String> {
        None
    }

    fn offers(&self) -> &Offers {
        &self.offers
    }

    fn stage<'a>(&'a self, cx: &'a Context, plan: &'a Plan) -> BoxFuture<'a, Result<Box<dyn Scene>, TestbedError>> {
        async move {
            let scene = scene::stage(self, cx, plan).await?;
            Ok(Box::new(scene) as Box<dyn Scene>)
        }
        .boxed()
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
