//! A cluster that is up and was checked: what the kind lane works with.

use crate::node::Node;
use crate::proof::now;
use crate::provider::{ClusterContext, DefaultNetworkProvider, ProvidedNetwork, Providers};
use crate::record::{Home, Proof};
use crate::step::Step;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use plumbline_core::plan::Plan;
use plumbline_kube::adaptation::ImageState;
use plumbline_kube::cluster_ranges::ClusterRanges;
use plumbline_kube::objects::{is_absent, words};
use plumbline_kube::undo::NAMESPACE_GONE;
use plumbline_testbed::context::Context;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{EffectId, Run};
use plumbline_testbed::lease::Lease;
use plumbline_testbed::wait::{self, Deadline, Look};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

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

/// A namespace that was told to go.
pub(crate) struct Leaving {
    name: String,
    uid: String,
    /// Its entry in the journal of `run`.
    id: EffectId,
    run: Arc<Run>,
}

impl Cluster {
    /// The engine that its nodes are containers of.
    #[must_use]
    pub fn engine(&self) -> &plumbline_testbed::engine::Engine {
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

    /// Deletes a namespace in the background; [`Cluster::namespaces_gone`] awaits it and crosses out its entry.
    ///
    /// # Errors
    /// A line for the report.
    pub async fn drop_namespace(&self, name: &str, id: EffectId, run: Arc<Run>) -> Result<(), String> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let uid = match namespaces.delete(name, &DeleteParams::background()).await {
            Ok(deleted) => deleted.left().and_then(|n| n.uid()).unwrap_or_default(),
            Err(e) if is_absent(&e) => return run.done(id).map_err(|b| b.to_string()),
            Err(e) => return Err(format!("namespace {name}: {}", words(&e))),
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
                let gone = await_condition(namespaces, &name, conditions::is_deleted(&uid));
                let what = format!("namespace {name} to be gone");
                match wait::by("clean up", &what, deadline, gone, || "it is terminating".into()).await {
                    Ok(Ok(_)) => run.done(id).err().map(|b| b.to_string()),
                    Ok(Err(e)) => Some(format!("namespace {name}: {e}")),
                    Err(error) => Some(error.cause()),
                }
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
    #[must_use]
    pub fn provider(&self) -> Option<&'static dyn DefaultNetworkProvider> {
        self.provided.as_ref().map(|provided| provided.provider)
    }

    /// The provider of its default network, where a plan's pods get theirs from it.
    #[must_use]
    pub fn provider_of(&self, plan: &Plan) -> Option<&'static dyn DefaultNetworkProvider> {
        self.provider().filter(|provider| provider.provides(plan))
    }

    /// The cluster as its provider gets it; none where it has none.
    #[must_use]
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
