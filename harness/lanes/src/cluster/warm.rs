//! A cluster that is up and was checked: what the kind lane works with.

use super::node::Node;
use super::objects::{is_absent, words};
use super::own::Own;
use super::record::Home;
use crate::context::Context;
use crate::kind::adapt::ImageState;
use crate::kind::stage;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use plumbline_core::plan::Plan;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{EffectId, Run};
use plumbline_testbed::lease::Lease;
use plumbline_testbed::wait::{self, Deadline};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Kubernetes takes 5 s for an empty namespace (a constant of its controller), more for a full one.
pub(super) const NAMESPACE_GONE: Duration = Duration::from_secs(60);

/// The plugin that this project carries itself.
const OURS: &str = "route-override";

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
    pub own: Own,
    /// What is remembered of it.
    pub home: Home,
    /// Parts of it that are not what users run.
    pub parts: Vec<String>,
    /// Terway, where its network is that.
    pub terway: Option<super::terway::Behind>,
    /// Held as long as it is used: nobody breaks it meanwhile.
    pub(super) lease: Option<Lease>,
    /// Namespaces on their way out.
    pub(super) leaving: Mutex<Vec<Leaving>>,
    /// Whether an image can be had.
    pub(super) pull: super::images::Pull,
}

/// A namespace that was told to go.
pub(super) struct Leaving {
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

    /// What is known of the images of a plan's pods; unknown ones are looked for, and remembered with the cluster.
    ///
    /// # Errors
    /// `TestbedError` when the nodes can't be asked.
    pub async fn images(&self, cx: &Context, plan: &Plan) -> Result<BTreeMap<String, ImageState>, TestbedError> {
        let mut known = self.home.record().unwrap_or_default().images;
        let all = stage::images(plan);
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

    /// Parts that are not what users run, as far as `plan` uses them.
    #[must_use]
    pub fn stand_ins(&self, cx: &Context, plan: &Plan) -> Vec<String> {
        let links = plan.networks.iter().filter_map(|n| n.chain.as_ref()).flat_map(|chain| &chain.links);
        let used: BTreeSet<&str> = links.map(|link| link.plugin.as_str()).collect();
        let mut all = self.parts.clone();
        for plugin in used {
            match cx.options.replacement(plugin) {
                Some(path) => all.push(format!("{plugin}: {}, put in its place by the user", path.display())),
                None if plugin == OURS => all.push(format!("{plugin}: plumbline's, not upstream's")),
                None => {}
            }
        }
        all
    }
}
