//! A checked, running cluster, and the trait of products that create its default network.
//!
//! This crate names no product. The command registers them, see [`Providers`].

use crate::node::Node;
use crate::profile::Loaded;
use crate::proof::now;
use crate::record::{Home, Proof};
use crate::step::{Found, Notes, Step};
use futures::future::{BoxFuture, join_all};
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, DeleteParams};
use plumbline_core::plan::Plan;
use plumbline_core::state::NamespaceState;
use plumbline_core::verdict::Adaptation;
use plumbline_kube::adaptation::ImageState;
use plumbline_kube::cluster_ranges::ClusterRanges;
use plumbline_kube::objects::{self, AtRequest as _, await_deletion};
use plumbline_kube::undo::NAMESPACE_GONE;
use plumbline_testbed::context::Context;
use plumbline_testbed::engine::Engine;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::images::Images;
use plumbline_testbed::journal::{EffectId, Run};
use plumbline_testbed::lease::Lease;
use plumbline_testbed::wait::{Deadline, Look};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The registered providers.
pub type Providers = &'static [&'static dyn DefaultNetworkProvider];

/// The context of a provider: a cluster whose API server and nodes answer.
pub struct ClusterContext<'a> {
    /// Options, images, journal, events.
    pub cx: &'a Context,
    /// The cluster's profile.
    pub loaded: &'a Loaded,
    /// The engine that runs the nodes as containers.
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

/// A product that creates the default network of a cluster.
pub trait DefaultNetworkProvider: Send + Sync {
    /// The value of `defaultNetworkProvider.name` in a profile.
    fn name(&self) -> &'static str;

    /// The product's name in messages.
    fn title(&self) -> &'static str;

    /// JSON Schema of the provider's settings, its title the name of their type (`plumbline_core::schema::document`).
    fn settings_schema(&self) -> serde_json::Value;

    /// Checks the provider's settings in a profile.
    ///
    /// # Errors
    /// `TestbedError` at stage `profile`, with the wrong key.
    fn check_profile(&self, loaded: &Loaded) -> Result<(), TestbedError>;

    /// Recipes and their programs that the provider's steps run. They are built with the images.
    fn programs(&self) -> &'static [(&'static str, &'static str)];

    /// Parts of a cluster of this profile that differ from users' clusters, one line each.
    ///
    /// # Errors
    /// `TestbedError` when a file of the profile can't be read.
    fn stand_ins(&self, images: &Images, loaded: &Loaded) -> Result<Vec<String>, TestbedError>;

    /// Checks that every node has the default network and is ready.
    fn check<'a>(&'a self, at: &'a ClusterContext<'a>) -> BoxFuture<'a, Result<Found, TestbedError>>;

    /// Installs the default network. It may be partially installed already.
    fn install<'a>(&'a self, at: &'a ClusterContext<'a>, notes: &'a Notes) -> BoxFuture<'a, Result<(), TestbedError>>;

    /// The basis of a proof of the default network, one line with a hash for each part; or the fault. `plugins` is the hash
    /// of the plugins on the nodes.
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

    /// The reason why a plan can't run on a cluster with this provider; none if it can.
    fn lack(&self, plan: &Plan) -> Option<String>;

    /// Stages the default network of a plan on a cluster. Returns the adaptations of the plan.
    fn stage<'a>(
        &'a self,
        cluster: &'a Arc<Cluster>,
        cx: &'a Context,
        run: &'a Arc<Run>,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<StagedWithAdaptations, TestbedError>>;

    /// The engine's network of each uplink of a plan. Missing networks are created.
    fn uplink_networks<'a>(
        &'a self,
        cluster: &'a Cluster,
        run: &'a Run,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, TestbedError>>;
}

/// The default network of a staged plan. Dropping it releases its exclusive leases.
pub trait StagedNetwork: Send + Sync {
    /// Undoes the changes for the plan, so that the next plan can make its own. Returns what could not be undone, one line each.
    fn undo(&mut self) -> BoxFuture<'_, Vec<String>>;
}

/// The provider of a running cluster.
pub struct ProvidedNetwork {
    /// The provider.
    pub provider: &'static dyn DefaultNetworkProvider,
    /// The cluster's profile.
    pub loaded: Loaded,
    /// The hash of the plugins on the nodes.
    pub plugins: String,
}

/// A running cluster.
pub struct Cluster {
    /// kind's name of the cluster.
    pub name: String,
    /// Profile name.
    pub profile: String,
    /// Our own kubeconfig.
    pub kubeconfig: PathBuf,
    /// Client of its API server.
    pub client: Client,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// The reference, on the nodes, of the image that replaces unavailable images.
    pub toolbox: String,
    /// Its own ranges and addresses, read once at bring-up.
    pub own: ClusterRanges,
    /// Its folder with the record.
    pub home: Home,
    /// Parts of it that differ from users' clusters.
    pub parts: Vec<String>,
    /// Its default network, if a provider creates it.
    pub provided: Option<ProvidedNetwork>,
    /// The registered providers.
    pub providers: Providers,
    /// Held while the cluster is in use, so that no other process breaks it.
    pub(crate) lease: Option<Lease>,
    /// Namespaces that are being deleted.
    pub(crate) deleting: Mutex<Vec<DeletingNamespace>>,
    /// Probes the availability of images.
    pub(crate) pull: crate::images::Pull,
}

/// A namespace that is being deleted.
pub(crate) struct DeletingNamespace {
    name: String,
    uid: String,
    /// Its entry in the journal of `run`.
    id: EffectId,
    run: Arc<Run>,
}

impl Cluster {
    /// The engine that runs its nodes as containers.
    pub fn engine(&self) -> &Engine {
        &self.pull.engine
    }

    /// The node with this name.
    ///
    /// # Errors
    /// `TestbedError` if there is none.
    pub fn node(&self, name: &str) -> Result<&Node, TestbedError> {
        let found = self.nodes.iter().find(|n| n.name == name);
        found.ok_or_else(|| TestbedError::new("cluster", format!("cluster {} has no node {name:?}", self.name)))
    }

    /// Whether a namespace exists.
    ///
    /// # Errors
    /// `TestbedError` when the server does not answer.
    pub async fn has_namespace(&self, name: &str) -> Result<bool, TestbedError> {
        let found = Api::<Namespace>::all(self.client.clone()).get_opt(name).await;
        Ok(found.at_request("stage", format_args!("get namespace {name}"))?.is_some())
    }

    /// Deletes a namespace in the background. [`Cluster::await_namespace_deletions`] waits for it and closes its journal entry.
    ///
    /// # Errors
    /// `TestbedError` when the server refuses.
    pub async fn delete_namespace(&self, name: &str, id: EffectId, run: Arc<Run>) -> Result<(), TestbedError> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let deleted = objects::delete(&namespaces, name, &DeleteParams::background()).await;
        let Some(uid) = deleted.at_request("clean up", format_args!("namespace {name}"))? else { return run.done(id) };
        let deleting = DeletingNamespace { name: name.to_owned(), uid, id, run };
        self.deleting.lock().unwrap_or_else(PoisonError::into_inner).push(deleting);
        Ok(())
    }

    /// Waits for the deletion of every namespace. Returns the failures, one line each.
    pub async fn await_namespace_deletions(&self) -> Vec<String> {
        let deleting = std::mem::take(&mut *self.deleting.lock().unwrap_or_else(PoisonError::into_inner));
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let deadline = Deadline::after(NAMESPACE_GONE);
        let gone = deleting.into_iter().map(|DeletingNamespace { name, uid, id, run }| {
            let namespaces = namespaces.clone();
            async move {
                let deleted = await_deletion(namespaces, &name, &uid, "clean up", deadline).await;
                deleted.and_then(|()| run.done(id)).err().map(|error| error.cause())
            }
        });
        join_all(gone).await.into_iter().flatten().collect()
    }

    /// The states of pods' images. Unknown ones are probed and recorded with the cluster.
    ///
    /// # Errors
    /// `TestbedError` when the nodes do not answer.
    pub async fn probe_images(
        &self,
        cx: &Context,
        all: &[String],
    ) -> Result<BTreeMap<String, ImageState>, TestbedError> {
        let mut known = self.home.record().unwrap_or_default().images;
        let unknown: Vec<&String> = all.iter().filter(|image| !known.contains_key(*image)).collect();
        if !unknown.is_empty() {
            let mut found = BTreeMap::new();
            for image in unknown {
                found.insert(image.clone(), self.pull.probe(&self.nodes, image).await?);
            }
            for (image, state) in &found {
                (cx.events)(plumbline_core::event::Event::Chosen {
                    what: format!("image {image}"),
                    reason: match state {
                        ImageState::Pullable => "the nodes can pull it".to_owned(),
                        ImageState::OnNodesOnly(why) => format!("used from the nodes: {why}"),
                        ImageState::Unavailable(why) => format!("replaced by {}: {why}", self.toolbox),
                    },
                });
            }
            known.extend(found.clone());
            self.home.change(|record| record.images.extend(found))?;
        }
        known.retain(|image, _| all.contains(image));
        Ok(known)
    }

    /// The provider of its default network, if it has one.
    pub fn provider(&self) -> Option<&'static dyn DefaultNetworkProvider> {
        self.provided.as_ref().map(|provided| provided.provider)
    }

    /// The provider of its default network, if a plan's pods get their default network from it.
    pub fn provider_of(&self, plan: &Plan) -> Option<&'static dyn DefaultNetworkProvider> {
        self.provider().filter(|provider| provider.provides(plan))
    }

    /// The context for its provider; none if it has no provider.
    pub fn context<'a>(&'a self, cx: &'a Context) -> Option<ClusterContext<'a>> {
        Some(ClusterContext {
            cx,
            loaded: &self.provided.as_ref()?.loaded,
            engine: self.engine(),
            name: &self.name,
            kubeconfig: self.kubeconfig.clone(),
            client: &self.client,
            nodes: &self.nodes,
        })
    }

    /// The state of a pod without attachments on each node; empty where no canary of Multus was read.
    pub fn baselines(&self) -> BTreeMap<String, NamespaceState> {
        self.home.record().and_then(|record| record.proof).map(|proof| proof.baselines).unwrap_or_default()
    }

    /// Records a proof of the current default network, after another operation ran the canaries.
    ///
    /// # Errors
    /// `TestbedError` when the default network is not in force on every node, or the record can't be written.
    pub async fn record_proof(&self, cx: &Context) -> Result<(), TestbedError> {
        let Some((provided, at)) = self.provided.as_ref().zip(self.context(cx)) else { return Ok(()) };
        match provided.provider.proof_basis(&at, &provided.plugins).await? {
            Look::There(of) => {
                self.home.change(|record| record.proof = Some(Proof { of, at: now(), ..Proof::default() }))
            }
            Look::NotYet(what) => Err(TestbedError::new(Step::ProveDefaultNetwork.name(), what)),
        }
    }
}

/// The provider that a profile names, if any.
///
/// # Errors
/// `TestbedError` when it is not registered, or refuses its settings.
pub fn find_provider(
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
