//! What a product that makes a cluster's default network contributes: to bring-up, to the profile, and to scenarios.
//!
//! This crate knows no provider by name. The command registers them, see [`Providers`].

use crate::cluster::Cluster;
use crate::node::Node;
use crate::profile::Loaded;
use crate::step::{Found, Notes};
use futures::future::BoxFuture;
use kube::Client;
use plumbline_core::plan::Plan;
use plumbline_core::verdict::Adaptation;
use plumbline_testbed::context::Context;
use plumbline_testbed::engine::Engine;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::images::Images;
use plumbline_testbed::journal::Run;
use plumbline_testbed::wait::Look;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The registered providers.
pub type Providers = &'static [&'static dyn DefaultNetworkProvider];

/// A cluster whose API server and nodes answer, as providers get it.
pub struct ClusterContext<'a> {
    /// Options, images, journal, events.
    pub cx: &'a Context,
    /// The cluster's profile.
    pub loaded: &'a Loaded,
    /// The engine whose containers the nodes are.
    pub engine: &'a Engine,
    /// kind's name of the cluster.
    pub name: &'a str,
    /// Our own kubeconfig of it.
    pub kubeconfig: PathBuf,
    /// Client of its API server.
    pub client: &'a Client,
    /// Its nodes.
    pub nodes: &'a [Node],
}

/// A staged default network, and the adaptations that it needed.
pub type StagedWithAdaptations = (Box<dyn StagedNetwork>, Vec<Adaptation>);

/// A product that makes the default network of a cluster.
pub trait DefaultNetworkProvider: Send + Sync {
    /// The value of `defaultNetworkProvider.name` in a profile.
    fn name(&self) -> &'static str;

    /// The product's name in messages.
    fn title(&self) -> &'static str;

    /// Checks the provider's settings in a profile.
    ///
    /// # Errors
    /// `TestbedError` at stage `profile`, with the key that is wrong.
    fn check_profile(&self, loaded: &Loaded) -> Result<(), TestbedError>;

    /// Recipes and their programs that the provider's steps run. They are built with the images.
    fn programs(&self) -> &'static [(&'static str, &'static str)];

    /// Parts of a cluster of this profile that are not what users run, a line each.
    ///
    /// # Errors
    /// `TestbedError` when a file of the profile can't be read.
    fn stand_ins(&self, images: &Images, loaded: &Loaded) -> Result<Vec<String>, TestbedError>;

    /// Checks whether the default network is installed on every node, and every node is ready.
    fn check<'a>(&'a self, at: &'a ClusterContext<'a>) -> BoxFuture<'a, Result<Found, TestbedError>>;

    /// Installs it. May be called on a half-made one.
    fn install<'a>(&'a self, at: &'a ClusterContext<'a>, notes: &'a Notes) -> BoxFuture<'a, Result<(), TestbedError>>;

    /// What a proof of the default network rests on, a line each with its hash; or what is wrong. `plugins` is the hash of
    /// the plugins on the nodes.
    fn proof_basis<'a>(
        &'a self,
        at: &'a ClusterContext<'a>,
        plugins: &'a str,
    ) -> BoxFuture<'a, Result<Look<String>, TestbedError>>;

    /// Runs a canary pod with `image` on every node.
    fn run_canaries<'a>(
        &'a self,
        at: &'a ClusterContext<'a>,
        image: &'a str,
    ) -> BoxFuture<'a, Result<(), TestbedError>>;

    /// Whether a plan's pods get their default network from this provider.
    fn provides(&self, plan: &Plan) -> bool;

    /// Why such a plan can't run on a cluster with this provider; none when it can.
    fn lack(&self, plan: &Plan) -> Option<String>;

    /// Stages the default network of a plan on a cluster. Gives the changes made in what the plan says.
    fn stage<'a>(
        &'a self,
        cluster: &'a Arc<Cluster>,
        cx: &'a Context,
        run: &'a Arc<Run>,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<StagedWithAdaptations, TestbedError>>;

    /// The engine's network of each uplink of a plan, made where there is none yet.
    fn uplink_networks<'a>(
        &'a self,
        cluster: &'a Cluster,
        run: &'a Run,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, TestbedError>>;
}

/// The default network of a staged plan. What it holds for itself alone is given back when it is dropped.
pub trait StagedNetwork: Send + Sync {
    /// Undoes what was changed for the plan; the next plan may then change it. Gives what could not be undone, a line each.
    fn undo(&mut self) -> BoxFuture<'_, Vec<String>>;
}

/// The provider of a cluster that is up.
pub struct ProvidedNetwork {
    /// The provider.
    pub provider: &'static dyn DefaultNetworkProvider,
    /// The cluster's profile.
    pub loaded: Loaded,
    /// The hash of the plugins on the nodes.
    pub plugins: String,
}

/// The provider that a profile names; none where it names none.
///
/// # Errors
/// `TestbedError` when it is not registered, or refuses its settings.
pub fn of_profile(
    providers: Providers,
    loaded: &Loaded,
) -> Result<Option<&'static dyn DefaultNetworkProvider>, TestbedError> {
    let Some(spec) = &loaded.profile.default_network_provider else { return Ok(None) };
    let found = providers.iter().find(|provider| provider.name() == spec.name).copied();
    let provider = found.ok_or_else(|| {
        let known: Vec<&str> = providers.iter().map(|provider| provider.name()).collect();
        let profile = &loaded.profile.metadata.name;
        let cause =
            format!("profile {profile}: no default network provider {} (known: {})", spec.name, known.join(", "));
        TestbedError::new("profile", cause)
    })?;
    provider.check_profile(loaded)?;
    Ok(Some(provider))
}
