//! Staging a plan on a cluster: namespaces, networks, bridges, pods and workloads.

use super::placement::place_on_node;
use super::pods::{PlannedObject, StagedPod};
use super::scenario::KindScenario;
use super::{leaks, packet_endpoints, packet_leases};
use crate::context::Context;
use crate::lane::Staging;
use futures::future::try_join_all;
use plumbline_cluster::Cluster;
use plumbline_cluster::naming::{OWNER, OWNER_LABEL, RUN_LABEL};
use plumbline_cluster::node::in_scenario_order;
use plumbline_core::plan::Plan;
use plumbline_kube::adaptation::{adapt, list_images, suspend};
use plumbline_kube::namespaces::Namespaces;
use plumbline_kube::objects::{apply, label};
use plumbline_kube::readiness::{PodOutcome, await_service_account};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::journal::Effect;
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::Deadline;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const STAGE: &str = "stage";
/// The plugin in this repository.
const OURS: &str = "route-override";
/// The namespace of the seed document.
const READY: Duration = Duration::from_secs(120);
/// How long to wait for another use of a verbatim namespace.
const LEASE: Duration = Duration::from_secs(600);

/// Stages `plan`; `number` distinguishes scenarios of one run.
///
/// # Errors
/// `TestbedError` for every failure that the plugins did not cause. A pod whose networks failed is no error.
pub(super) async fn stage(
    cluster: &Arc<Cluster>,
    cx: &Context,
    plan: &Plan,
    number: usize,
) -> Result<KindScenario, TestbedError> {
    let label = format!("{}-{number}", cx.run.id());
    let namespaces = namespaces(cx, plan, &label);
    let staging = Staging { stand_ins: stand_ins(cluster, cx, plan), ..Staging::default() };
    let mut scenario = KindScenario::new(cluster.clone(), cx, plan, namespaces, label, staging)?;
    match make(&mut scenario, cx, plan).await {
        Ok(()) => Ok(scenario),
        Err(error) => {
            // Objects made so far are removed. Objects that can't be removed are in the journal.
            let _ = scenario.take_down().await;
            Err(error)
        }
    }
}

fn namespaces(cx: &Context, plan: &Plan, label: &str) -> Namespaces {
    let of_pods = plan.pods.iter().filter_map(|p| p.namespace.as_deref());
    // A network without a manifest exists already: its namespace is not the scenario's own.
    let of_networks = plan.networks.iter().filter(|n| n.manifest.is_some()).filter_map(|n| n.namespace.as_deref());
    let written = of_pods.chain(of_networks);
    if cx.options.verbatim { Namespaces::verbatim(written) } else { Namespaces::own(written, &plan.name, label) }
}

async fn make(scenario: &mut KindScenario, cx: &Context, plan: &Plan) -> Result<(), TestbedError> {
    let cluster = scenario.cluster.clone();
    let in_force: Vec<String> = scenario.namespaces.in_force().into_iter().map(str::to_owned).collect();
    let names = in_force.join(", ");
    scenario.staging.isolation = Some(match cx.options.verbatim {
        true => format!("namespace {names} as written, under a lease"),
        false => format!("namespace {names} of its own"),
    });
    scenario.locks.extend(packet_leases::take(&cluster.name, plan).await?);
    packet_endpoints::make_bridges(&cluster, plan).await?;
    if let Some(provider) = cluster.provider_of(plan) {
        let (network, adaptations) = provider.stage(&cluster, cx, &scenario.run, plan).await?;
        scenario.network = Some(network);
        scenario.staging.adaptations.extend(adaptations);
        scenario.before = leaks::read_traces(&cluster, plan).await?;
    }
    for name in &in_force {
        if cx.options.verbatim {
            let lease = format!("{}-namespace-{name}", cluster.name);
            scenario.locks.push(Lease::take(&lease, Kind::Exclusive, Deadline::after(LEASE)).await?);
        }
        make_namespace(scenario, cx, name).await?;
    }
    let networks: Vec<Value> = plan
        .networks
        .iter()
        .filter_map(|n| Some((n, n.manifest.clone()?)))
        .map(|(n, mut object)| {
            scenario.namespaces.place(&mut object, n.namespace.as_deref());
            mark(&mut object, cx);
            object
        })
        .collect();
    let applied =
        async { try_join_all(networks.iter().map(|object| apply(&cluster.client, object))).await.at_stage(STAGE) };
    let images = list_images(plan);
    let accounts = try_join_all(in_force.iter().map(|name| await_service_account(&cluster.client, name, STAGE)));
    let (images, _, _) = tokio::try_join!(cluster.probe_images(cx, &images), applied, accounts)?;

    let nodes = in_scenario_order(&cluster.nodes);
    let mut objects = PlannedObject::list(plan);
    for object in &mut objects {
        let namespace = object.namespace();
        scenario.namespaces.place(&mut object.manifest, namespace);
        mark(&mut object.manifest, cx);
        let adaptations = &mut scenario.staging.adaptations;
        adaptations.extend(adapt(&mut object.manifest, &images, &cluster.toolbox));
        adaptations.extend(suspend(&mut object.manifest));
        // With one node the scheduler has no choice either.
        if let (Some((place, pod)), true) = (object.pods.first(), nodes.len() > 1) {
            let number = plan.topology.node_of(pod.node, *place);
            let node = nodes.get(number.wrapping_sub(1));
            let node = node.ok_or_else(|| TestbedError::new(STAGE, format!("there is no node {number}")))?;
            adaptations.extend(place_on_node(&mut object.manifest, &node.name, number));
        }
    }
    let begun = Instant::now();
    for object in &objects {
        scenario.applied.push(object.apply(&cluster).await?);
    }
    let deadline = cx.options.ready_deadline.unwrap_or(READY);
    let waiting = objects.iter().zip(&scenario.applied).map(|(object, applied)| async {
        tokio::select! {
            outcomes = object.await_pods(&cluster, applied, deadline) => outcomes,
            () = cx.cancel.cancelled() => Err(TestbedError::new(STAGE, "interrupted")),
        }
    });
    let waiting = async {
        let outcomes: BTreeMap<usize, PodOutcome> = try_join_all(waiting).await?.into_iter().flatten().collect();
        Ok((outcomes, u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)))
    };
    // At the same time as the pods, which take longer.
    let packets = packet_endpoints::make_endpoints(&cluster, cx, plan, &scenario.run, &scenario.label);
    let (outcomes, packets) = tokio::join!(waiting, packets);
    scenario.packets = packets?;
    let (outcomes, ready_us) = outcomes?;
    scenario.staging.ready_us = ready_us;
    let staged = plan.pods.iter().zip(outcomes.into_values()).map(|(pod, outcome)| {
        let namespace = scenario.namespaces.of(pod.namespace.as_deref()).to_owned();
        StagedPod { pod: pod.clone(), namespace, outcome }
    });
    scenario.pods = staged.collect();
    Ok(())
}

fn mark(object: &mut Value, cx: &Context) {
    label(object, OWNER_LABEL, OWNER);
    label(object, RUN_LABEL, cx.run.id());
}

/// Makes a namespace, with a journal entry. A namespace that exists already (`--verbatim`) is not removed later.
async fn make_namespace(scenario: &mut KindScenario, cx: &Context, name: &str) -> Result<(), TestbedError> {
    let cluster = &scenario.cluster;
    if cx.options.verbatim && cluster.has_namespace(name).await? {
        return Ok(());
    }
    let effect = Effect::KubeNamespace { kubeconfig: cluster.kubeconfig.clone(), name: name.to_owned() };
    let id = scenario.run.intend(effect)?;
    let mut object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    mark(&mut object, cx);
    apply(&cluster.client, &object).await.at_stage(STAGE)?;
    scenario.made.push((name.to_owned(), id));
    Ok(())
}

/// The stand-ins that `plan` uses.
fn stand_ins(cluster: &Cluster, cx: &Context, plan: &Plan) -> Vec<String> {
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
