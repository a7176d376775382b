//! A cluster that is up and was checked, and the trait of products that make its default network.
//!
//! This crate knows no product by name. The command registers them, see [`Providers`].

use crate::node::Node;
use crate::profile::Loaded;
use crate::proof::now;
use crate::record::{Home, Proof};
use crate::step::{Found, Notes, Step};
use futures::future::{BoxFuture, join_all};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams};
use kube::{Client, ResourceExt};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::Adaptation;
use plumbline_kube::adaptation::ImageState;
use plumbline_kube::cluster_ranges::ClusterRanges;
use plumbline_kube::objects::{await_deletion, is_absent, words};
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

/// A cluster that is up.
pub struct Cluster {
    /// kind's name of it.
    pub name: String,
    /// Profile name.
    pub profile: String,
    /// Our own kubeconfig.
    pub kubeconfig: PathBuf,
    /// Client of its API server.
    pub client: Client,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// The image that takes the place of images that can't be had, as the nodes know it.
    pub toolbox: String,
    /// Its own ranges and addresses, read once when it was taken.
    pub own: ClusterRanges,
    /// What is remembered of it.
    pub home: Home,
    /// Parts of it that are not what users run.
    pub parts: Vec<String>,
    /// Its default network, where a provider makes it.
    pub provided: Option<ProvidedNetwork>,
    /// The registered providers.
    pub providers: Providers,
    /// Held as long as it is used: nobody breaks it meanwhile.
    pub(crate) lease: Option<Lease>,
    /// Namespaces on their way out.
    pub(crate) leaving: Mutex<Vec<Leaving>>,
    /// Whether an image can be had.
    pub(crate) pull: crate::images::Pull,
}

/// A namespace that is being deleted.
pub(crate) struct Leaving {
    name: String,
    uid: String,
    /// Its entry in the journal of `run`.
    id: EffectId,
    run: Arc<Run>,
}

impl Cluster {
    /// The engine that its nodes are containers of.
    pub fn engine(&self) -> &Engine {
        &self.pull.engine
    }

    /// The node of that name.
    ///
    /// # Errors
    /// `TestbedError` when there is none.
    pub fn node(&self, name: &str) -> Result<&Node, TestbedError> {
        let found = self.nodes.iter().find(|n| n.name == name);
        found.ok_or_else(|| TestbedError::new("cluster", format!("cluster {} has no node {name:?}", self.name)))
    }

    /// Whether there is a namespace of that name.
    ///
    /// # Errors
    /// `TestbedError` when the server does not answer.
    pub async fn has_namespace(&self, name: &str) -> Result<bool, TestbedError> {
        let found = Api::<Namespace>::all(self.client.clone()).get_opt(name).await;
        found
            .map(|n| n.is_some())
            .map_err(|e| TestbedError::new("stage", format!("get namespace {name}: {}", words(&e))))
    }

    /// Deletes a namespace in the background; [`Cluster::namespaces_gone`] awaits it and closes its journal entry.
    ///
    /// # Errors
    /// `TestbedError` when the server refuses.
    pub async fn drop_namespace(&self, name: &str, id: EffectId, run: Arc<Run>) -> Result<(), TestbedError> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let uid = match namespaces.delete(name, &DeleteParams::background()).await {
            Ok(deleted) => deleted.left().and_then(|n| n.uid()).unwrap_or_default(),
            Err(e) if is_absent(&e) => return run.done(id),
            Err(e) => return Err(TestbedError::new("clean up", format!("namespace {name}: {}", words(&e)))),
        };
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).push(Leaving {
            name: name.to_owned(),
            uid,
            id,
            run,
        });
        Ok(())
    }

    /// Awaits every namespace that was deleted; gives those that are still there, each a line.
    pub async fn namespaces_gone(&self) -> Vec<String> {
        let leaving = std::mem::take(&mut *self.leaving.lock().unwrap_or_else(PoisonError::into_inner));
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let deadline = Deadline::after(NAMESPACE_GONE);
        let gone = leaving.into_iter().map(|Leaving { name, uid, id, run }| {
            let namespaces = namespaces.clone();
            async move {
                let deleted = await_deletion(namespaces, &name, &uid, "clean up", deadline).await;
                deleted.and_then(|()| run.done(id)).err().map(|error| error.cause())
            }
        });
        join_all(gone).await.into_iter().flatten().collect()
    }

    /// What is known of pods' images; unknown ones are looked for, and remembered with the cluster.
    ///
    /// # Errors
    /// `TestbedError` when the nodes can't be asked.
    pub async fn images(&self, cx: &Context, all: &[String]) -> Result<BTreeMap<String, ImageState>, TestbedError> {
        let mut known = self.home.record().unwrap_or_default().images;
        let unknown: Vec<&String> = all.iter().filter(|image| !known.contains_key(*image)).collect();
        if !unknown.is_empty() {
            let mut found = BTreeMap::new();
            for image in unknown {
                found.insert(image.clone(), self.pull.state(&self.nodes, image).await?);
            }
            for (image, state) in &found {
                (cx.events)(plumbline_core::event::Event::Chosen {
                    what: format!("image {image}"),
                    reason: match state {
                        ImageState::Pullable => "the nodes can have it".to_owned(),
                        ImageState::OnNodesOnly(why) => format!("as it is on the nodes: {why}"),
                        ImageState::NotToBeHad(why) => format!("{} in its place: {why}", self.toolbox),
                    },
                });
            }
            known.extend(found.clone());
            self.home.change(|record| record.images.extend(found))?;
        }
        known.retain(|image, _| all.contains(image));
        Ok(known)
    }

    /// The provider of its default network, where one makes it.
    pub fn provider(&self) -> Option<&'static dyn DefaultNetworkProvider> {
        self.provided.as_ref().map(|provided| provided.provider)
    }

    /// The provider of its default network, where a plan's pods get theirs from it.
    pub fn provider_of(&self, plan: &Plan) -> Option<&'static dyn DefaultNetworkProvider> {
        self.provider().filter(|provider| provider.provides(plan))
    }

    /// The cluster as its provider gets it; none where it has none.
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

    /// Records that canaries came up by the default network that is in force now: another operation has run them.
    ///
    /// # Errors
    /// `TestbedError` when it is in force on not every node, or the record can't be written.
    pub async fn record_proof(&self, cx: &Context) -> Result<(), TestbedError> {
        let Some((provided, at)) = self.provided.as_ref().zip(self.context(cx)) else { return Ok(()) };
        match provided.provider.proof_basis(&at, &provided.plugins).await? {
            Look::There(of) => self.home.change(|record| record.proof = Some(Proof { of, at: now() })),
            Look::NotYet(what) => Err(TestbedError::new(Step::ProveDefaultNetwork.name(), what)),
        }
    }
}

/// The provider that a profile names; none where it names none.
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
