//! Terway as a [`DefaultNetworkProvider`].

use crate::settings::{PROVIDER, TerwaySettings};
use crate::{STAND_INS, chart, install, proof, scenario};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use plumbline_cluster::Cluster;
use plumbline_cluster::cluster::{ClusterContext, DefaultNetworkProvider, StagedNetwork};
use plumbline_cluster::profile::Loaded;
use plumbline_cluster::step::{Found, Notes};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::Adaptation;
use plumbline_testbed::context::Context;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::images::Images;
use plumbline_testbed::journal::Run;
use plumbline_testbed::wait::Look;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Terway.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terway;

impl DefaultNetworkProvider for Terway {
    fn name(&self) -> &'static str {
        PROVIDER
    }

    fn title(&self) -> &'static str {
        "Terway"
    }

    fn settings_schema(&self) -> serde_json::Value {
        plumbline_core::schema::document::<TerwaySettings>("TerwaySettings")
    }

    fn check_profile(&self, loaded: &Loaded) -> Result<(), TestbedError> {
        TerwaySettings::read(loaded).map(drop)
    }

    fn programs(&self) -> &'static [(&'static str, &'static str)] {
        &[(chart::RECIPE, chart::HELM)]
    }

    fn stand_ins(&self, images: &Images, loaded: &Loaded) -> Result<Vec<String>, TestbedError> {
        let mut all: Vec<String> = STAND_INS.iter().map(|line| (*line).to_owned()).collect();
        all.extend(chart::read_inputs(images, loaded)?.describe_changes());
        Ok(all)
    }

    fn check<'a>(&'a self, at: &'a ClusterContext<'a>) -> BoxFuture<'a, Result<Found, TestbedError>> {
        install::check(at).boxed()
    }

    fn install<'a>(&'a self, at: &'a ClusterContext<'a>, notes: &'a Notes) -> BoxFuture<'a, Result<(), TestbedError>> {
        install::install(at, notes).boxed()
    }

    fn proof_basis<'a>(
        &'a self,
        at: &'a ClusterContext<'a>,
        plugins: &'a str,
    ) -> BoxFuture<'a, Result<Look<String>, TestbedError>> {
        proof::read_basis(at, plugins).boxed()
    }

    fn run_canaries<'a>(
        &'a self,
        at: &'a ClusterContext<'a>,
        image: &'a str,
    ) -> BoxFuture<'a, Result<(), TestbedError>> {
        proof::run_canaries(at, image).boxed()
    }

    fn provides(&self, plan: &Plan) -> bool {
        scenario::is_behind(plan)
    }

    fn lack(&self, plan: &Plan) -> Option<String> {
        scenario::find_lack(plan)
    }

    fn stage<'a>(
        &'a self,
        cluster: &'a Arc<Cluster>,
        cx: &'a Context,
        run: &'a Arc<Run>,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<(Box<dyn StagedNetwork>, Vec<Adaptation>), TestbedError>> {
        async move {
            let (staged, adaptations) = scenario::StagedTerway::stage(cluster, cx, run, plan).await?;
            Ok((Box::new(staged) as Box<dyn StagedNetwork>, adaptations))
        }
        .boxed()
    }

    fn uplink_networks<'a>(
        &'a self,
        cluster: &'a Cluster,
        run: &'a Run,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, TestbedError>> {
        scenario::ensure_networks(cluster, run, plan).boxed()
    }
}
