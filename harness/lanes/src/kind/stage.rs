//! Staging a plan on a cluster: namespaces, networks, bridges, pods.

use super::outside;
use super::packet_leases;
use super::placement::put;
use super::scene::{KindScenario, Staged};
use super::traces;
use crate::context::Context;
use futures::future::try_join_all;
use plumbline_cluster::Cluster;
use plumbline_cluster::naming::{OWNER, OWNER_LABEL, RUN_LABEL};
use plumbline_cluster::node::in_scenario_order;
use plumbline_core::plan::Plan;
use plumbline_kube::adaptation::{adapt, images_of};
use plumbline_kube::namespaces::Namespaces;
use plumbline_kube::objects::{apply, label};
use plumbline_kube::readiness::service_account;
use plumbline_kube::readiness::{self, PodOutcome};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, EffectId};
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::Deadline;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const STAGE: &str = "stage";
/// The plugin that this project carries itself.
const OURS: &str = "route-override";
/// As the seed document has it.
const READY: Duration = Duration::from_secs(120);
/// How long somebody else's use of a written namespace is waited for.
const LEASE: Duration = Duration::from_secs(600);

/// Stages `plan`; `number` tells scenarios of one run apart.
///
/// # Errors
/// `TestbedError` for whatever is not the plugins' fault. A pod whose networks could not be made is none.
pub async fn stage(
    cluster: &Arc<Cluster>,
    cx: &Context,
    plan: &Plan,
    number: usize,
) -> Result<KindScenario, TestbedError> {
    let namespaces = namespaces(cx, plan, number);
    let label = format!("{}-{number}", cx.run.id());
    let mut scene = KindScenario::new(cluster.clone(), cx, plan, namespaces, label)?;
    match fill(&mut scene, cx, plan).await {
        Ok(()) => Ok(scene),
        Err(error) => {
            // What was made so far goes; what can't go is in the journal.
            let _ = scene.take_down().await;
            Err(error)
        }
    }
}

fn namespaces(cx: &Context, plan: &Plan, number: usize) -> Namespaces {
    let of_pods = plan.pods.iter().filter_map(|p| p.namespace.as_deref());
    // Networks that are said to exist already are elsewhere: their namespace is not the scenario's own.
    let of_networks = plan.networks.iter().filter(|n| n.manifest.is_some()).filter_map(|n| n.namespace.as_deref());
    let written = of_pods.chain(of_networks);
    if cx.options.verbatim {
        Namespaces::verbatim(written)
    } else {
        Namespaces::own(written, &plan.name, &format!("{}-{number}", cx.run.id()))
    }
}

async fn fill(scene: &mut KindScenario, cx: &Context, plan: &Plan) -> Result<(), TestbedError> {
    let cluster = scene.cluster.clone();
    let in_force: Vec<String> = scene.namespaces.in_force().into_iter().map(str::to_owned).collect();
    scene.staging.isolation = Some(if cx.options.verbatim {
        format!("namespace {} as written, under a lease", in_force.join(", "))
    } else {
        format!("namespace {} of its own", in_force.join(", "))
    });
    scene.leases.extend(packet_leases::take(&cluster.name, plan).await?);
    outside::ground(&cluster, plan).await?;
    if let Some(provider) = cluster.provider_of(plan) {
        let (network, adaptations) = provider.stage(&cluster, cx, &scene.run, plan).await?;
        scene.network = Some(network);
        scene.staging.adaptations.extend(adaptations);
        scene.before = traces::before(&cluster, plan).await?;
    }
    for name in &in_force {
        if cx.options.verbatim {
            let lease = format!("{}-namespace-{name}", cluster.name);
            scene.leases.push(Lease::take(&lease, Kind::Exclusive, Deadline::after(LEASE)).await?);
        }
        namespace(scene, cx, name).await?;
    }
    let networks: Vec<Value> = plan
        .networks
        .iter()
        .filter_map(|n| Some((n, n.manifest.clone()?)))
        .map(|(n, mut object)| {
            scene.namespaces.place(&mut object, n.namespace.as_deref());
            mark(&mut object, cx);
            object
        })
        .collect();
    let testbed_error = |e: String| TestbedError::new(STAGE, e);
    let applied = async {
        try_join_all(networks.iter().map(|object| apply(&cluster.client, object))).await.map_err(testbed_error)
    };
    let images = images_of(plan);
    let accounts = try_join_all(in_force.iter().map(|name| service_account(&cluster.client, name, STAGE)));
    let (images, _, _) = tokio::try_join!(cluster.images(cx, &images), applied, accounts)?;

    let places = in_scenario_order(&cluster.nodes);
    let mut objects = Vec::new();
    for (number, pod) in plan.pods.iter().enumerate() {
        let mut object = pod.manifest.clone();
        scene.namespaces.place(&mut object, pod.namespace.as_deref());
        mark(&mut object, cx);
        scene.staging.adaptations.extend(adapt(&mut object, &images, &cluster.toolbox));
        // Where there is one node, the scheduler has no choice either.
        if places.len() > 1 {
            let number = plan.topology.node_of(pod.node, number);
            let node = places
                .get(number.wrapping_sub(1))
                .ok_or_else(|| testbed_error(format!("there is no node {number}")))?;
            scene.staging.adaptations.extend(put(&mut object, &node.name, number));
        }
        objects.push(object);
    }
    let begun = Instant::now();
    let deadline = cx.options.ready_deadline.unwrap_or(READY);
    for (pod, object) in plan.pods.iter().zip(&objects) {
        let namespace = scene.namespaces.of(pod.namespace.as_deref()).to_owned();
        scene.created.push((namespace, pod.name.clone()));
        apply(&cluster.client, object).await.map_err(testbed_error)?;
    }
    let waiting = scene.created.iter().map(|(namespace, name)| async {
        tokio::select! {
            came = readiness::ready(&cluster.client, namespace, name, deadline) => came,
            () = cx.cancel.cancelled() => Err(TestbedError::new(STAGE, "interrupted")),
        }
    });
    let run = scene.run.clone();
    let waiting = async {
        let came: Vec<PodOutcome> = try_join_all(waiting).await?;
        Ok((came, u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)))
    };
    // Beside the pods, which take longer.
    let around = outside::around(&cluster, cx, plan, &run, &scene.label);
    let (came, around) = tokio::join!(waiting, around);
    scene.around = around?;
    let (came, ready_us) = came?;
    scene.staging.ready_us = ready_us;
    let staged = plan.pods.iter().zip(came).map(|(pod, came)| {
        let namespace = scene.namespaces.of(pod.namespace.as_deref()).to_owned();
        Staged { pod: pod.clone(), namespace, came }
    });
    scene.pods = staged.collect();
    Ok(())
}

fn mark(object: &mut Value, cx: &Context) {
    label(object, OWNER_LABEL, OWNER);
    label(object, RUN_LABEL, cx.run.id());
}

/// Makes a namespace, journalled. One that is there already, as written with `--verbatim`, is not ours to remove.
async fn namespace(scene: &mut KindScenario, cx: &Context, name: &str) -> Result<(), TestbedError> {
    let cluster = &scene.cluster;
    if cx.options.verbatim && cluster.has_namespace(name).await? {
        return Ok(());
    }
    let effect = Effect::KubeNamespace { kubeconfig: cluster.kubeconfig.clone(), name: name.to_owned() };
    let id: EffectId = scene.run.intend(effect)?;
    let mut object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    mark(&mut object, cx);
    apply(&cluster.client, &object).await.map_err(|e| TestbedError::new(STAGE, e))?;
    scene.made.push((name.to_owned(), id));
    Ok(())
}

/// Parts that are not what users run, as far as `plan` uses them.
#[must_use]
pub(super) fn stand_ins(cluster: &Cluster, cx: &Context, plan: &Plan) -> Vec<String> {
    let links = plan.networks.iter().filter_map(|n| n.chain.as_ref()).flat_map(|chain| &chain.links);
    let used: BTreeSet<&str> = links.map(|link| link.plugin.as_str()).collect();
    let mut all = cluster.parts.clone();
    for plugin in used {
        match cx.options.replacement(plugin) {
            Some(path) => all.push(format!("{plugin}: {}, put in its place by the user", path.display())),
            None if plugin == OURS => all.push(format!("{plugin}: plumbline's, not upstream's")),
            None => {}
        }
    }
    all
}
