//! The kind lane: opening it, its capabilities, staging.

use super::{host, placement, stage};
use crate::context::Context;
use crate::host::{Capabilities, Capability};
use crate::lane::{HostReport, Installation, Lane, OpenLane, StagedScenario, TestSettings, find_missing_plugin};
use futures::future::BoxFuture;
use plumbline_cluster::choice::{HERMETIC, UPSTREAM};
use plumbline_cluster::cluster::Providers;
use plumbline_cluster::{self as cluster, Cluster, plugins};
use plumbline_core::plan::Plan;
use plumbline_core::protocol::{Op, Outcome};
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The kind lane.
#[derive(Clone, Copy)]
pub struct KindLane {
    /// The default networks that its clusters may have.
    pub providers: Providers,
}

/// The kind lane with its cluster.
pub struct OpenKind {
    cluster: Arc<Cluster>,
    offers: Capabilities,
    /// The plugins that every node has.
    plugins: BTreeSet<String>,
    scenarios: AtomicUsize,
}

impl OpenKind {
    /// A lane on a cluster that is up.
    ///
    /// # Errors
    /// `TestbedError` when the capabilities of its nodes can't be probed.
    pub async fn on(cluster: Cluster) -> Result<Self, TestbedError> {
        let offers = offers(&cluster).await?;
        let plugins = read_plugins(&cluster).await?;
        Ok(Self { cluster: Arc::new(cluster), offers, plugins, scenarios: AtomicUsize::new(0) })
    }

    /// The cluster, for tests that break it.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }
}

impl Lane for KindLane {
    fn name(&self) -> &'static str {
        "kind"
    }

    fn summary(&self) -> &'static str {
        "a real kind cluster with Multus and the plugins on its nodes"
    }

    fn preparation(&self) -> &'static str {
        "brings a cluster up"
    }

    fn test_settings(&self) -> TestSettings {
        TestSettings {
            // Tests of one cluster share it. Tests that damage it hold an exclusive lease.
            max_threads: 4,
            // The tests mostly wait for the cluster.
            test_threads: Some(5),
            slow_seconds: 60,
            grace_seconds: Some(60),
            setup_seconds: 4800,
            ..Default::default()
        }
    }

    fn default_profiles(&self) -> &'static [&'static str] {
        &[UPSTREAM, HERMETIC]
    }

    fn named_profiles(&self, root: &Path) -> Vec<String> {
        let names = cluster::profile::list_profiles(root);
        names.into_iter().filter(|name| !self.default_profiles().contains(&name.as_str())).collect()
    }

    fn check_host<'a>(&'a self, cx: &'a Context, _build: bool) -> BoxFuture<'a, Result<HostReport, TestbedError>> {
        Box::pin(async { Ok(HostReport { checks: host::check_host(&cx.root).await, can_open: false }) })
    }

    fn installation<'a>(&'a self, root: &'a Path) -> BoxFuture<'a, Result<Option<Installation>, TestbedError>> {
        Box::pin(host::installation(root))
    }

    fn take_down<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result<Vec<String>, TestbedError>> {
        Box::pin(async {
            let gone = cluster::down(cx).await?;
            Ok(gone.into_iter().map(|name| format!("cluster {name}")).collect())
        })
    }

    fn open<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result<Box<dyn OpenLane>, TestbedError>> {
        Box::pin(async move {
            Ok(Box::new(OpenKind::on(cluster::up(cx, self.providers).await?).await?) as Box<dyn OpenLane>)
        })
    }
}

impl OpenLane for OpenKind {
    fn profile(&self) -> Option<String> {
        Some(self.cluster.profile.clone())
    }

    fn offers(&self) -> &Capabilities {
        &self.offers
    }

    fn lack(&self, plan: &Plan) -> Option<String> {
        let (nodes, cluster) = (self.cluster.nodes.len(), &self.cluster);
        let profile = &self.cluster.profile;
        let lack = plan.unmet.clone();
        let lack = lack.or_else(|| find_missing_plugin(plan, |plugin| self.plugins.contains(plugin)));
        let lack = lack.or_else(|| self.offers.lack(&plan.requires));
        let lack = lack.or_else(|| placement::lack(plan, nodes, profile));
        let lack = lack.or_else(|| placement::lack_of_network(plan, cluster.providers, cluster.provider(), profile));
        lack.or_else(|| placement::lack_of_ranges(plan, &self.cluster.own.ranges(), profile))
    }

    fn stage<'a>(
        &'a self,
        cx: &'a Context,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<Box<dyn StagedScenario>, TestbedError>> {
        let number = self.scenarios.fetch_add(1, Ordering::Relaxed) + 1;
        Box::pin(async move {
            Ok(Box::new(stage::stage(&self.cluster, cx, plan, number).await?) as Box<dyn StagedScenario>)
        })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Vec<String>> {
        Box::pin(async move { self.cluster.await_namespace_deletions().await })
    }
}

/// The names of the plugins that every node has.
async fn read_plugins(cluster: &Cluster) -> Result<BTreeSet<String>, TestbedError> {
    let mut of_all: Option<BTreeSet<String>> = None;
    for node in &cluster.nodes {
        let names: BTreeSet<String> = node.list(plugins::FOLDER).await?.unwrap_or_default().into_iter().collect();
        of_all = Some(of_all.map_or_else(|| names.clone(), |all| all.intersection(&names).cloned().collect()));
    }
    Ok(of_all.unwrap_or_default())
}

/// The capabilities that every node has.
async fn offers(cluster: &Cluster) -> Result<Capabilities, TestbedError> {
    let mut offers = Capabilities::default();
    for node in &cluster.nodes {
        let Outcome::Probed(probed) = node.call(Op::Probe).await? else {
            let cause = format!("the agent on node {} did not answer the probe", node.name);
            return Err(TestbedError::new("probe", cause));
        };
        for (name, probed) in probed {
            let offer = Capability { there: probed.there, seen: format!("node {}: {}", node.name, probed.seen) };
            let known = offers.0.entry(name).or_insert_with(|| offer.clone());
            if known.there && !offer.there {
                *known = offer;
            }
        }
    }
    Ok(offers)
}
