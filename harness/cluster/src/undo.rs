//! Removes clusters, and undoes the effects of dead runs: incomplete clusters, and changes inside containers.

use crate::naming::{CLUSTER_LABEL, OWNER, OWNER_LABEL, profile_of};
use crate::node::{self, KIND_LABEL, NETWORK};
use crate::record::Home;
use crate::uplink;
use futures::future::BoxFuture;
use plumbline_testbed::engine::Engine;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, Undo};
use plumbline_testbed::lease::{Kind as LeaseKind, Lease};
use plumbline_testbed::wait::Deadline;
use std::time::Duration;

const STAGE: &str = "clean up";
/// The limit for a shell line that undoes a change, and for the lease that it needs.
const INSIDE: Duration = Duration::from_secs(20);

/// Undoes effects on kind clusters and in their containers.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClusterUndo;

impl Undo for ClusterUndo {
    fn undo<'a>(&'a self, effect: &'a Effect) -> Option<BoxFuture<'a, Result<(), TestbedError>>> {
        match effect {
            Effect::Cluster { name } => Some(Box::pin(remove_incomplete(name))),
            Effect::Inside { container, undo, lease, .. } => Some(Box::pin(undo_inside(container, undo, lease))),
            _ => None,
        }
    }
}

/// Removes the nodes of a cluster, its other containers and its networks. With the last node it removes the nodes' network.
///
/// # Errors
/// `TestbedError` when the engine refuses.
pub async fn remove_cluster(engine: &Engine, cluster: &str) -> Result<(), TestbedError> {
    for container in node::list_containers(engine, cluster).await? {
        engine.remove(&container.name).await?;
    }
    // The cluster's other containers: a router, and containers of scenarios of dead runs.
    for container in engine.containers(&[format!("{}={cluster}", CLUSTER_LABEL)]).await? {
        engine.remove(&container.name).await?;
    }
    uplink::remove(engine, cluster).await?;
    if engine.containers(&[KIND_LABEL.to_owned()]).await?.iter().any(|c| c.addresses.contains_key(NETWORK)) {
        return Ok(());
    }
    let network = engine.network(NETWORK).await?;
    if network.is_some_and(|network| network.labels.get(OWNER_LABEL).map(String::as_str) == Some(OWNER)) {
        // A stopped node of another cluster has no address but still uses the network. Then the network stays.
        let _ = engine.remove_network(NETWORK).await;
    }
    Ok(())
}

/// Deletes an incomplete cluster. A cluster with a complete record is in use, and stays.
async fn remove_incomplete(name: &str) -> Result<(), TestbedError> {
    if profile_of(name).is_none() {
        return Err(TestbedError::new(STAGE, format!("{name} is not the name of a cluster of Plumbline")));
    }
    let home = Home::of(name)?;
    if home.record().is_some_and(|record| record.complete) {
        return Ok(());
    }
    remove_cluster(&Engine::connect().await?, name).await?;
    home.forget()
}

/// Undoes a change inside a container of Plumbline. If the container is gone, the change is gone too.
async fn undo_inside(name: &str, undo: &str, lease: &str) -> Result<(), TestbedError> {
    // A live run may use the same state.
    let _lease = Lease::take(lease, LeaseKind::Exclusive, Deadline::after(INSIDE)).await?;
    let engine = Engine::connect().await?;
    let Some(container) = engine.container(name).await? else { return Ok(()) };
    let label = |key: &str| container.labels.get(key).map(String::as_str);
    // kind's nodes do not have Plumbline's labels.
    if label(OWNER_LABEL) != Some(OWNER) && label(KIND_LABEL).and_then(profile_of).is_none() {
        return Err(TestbedError::new(STAGE, format!("{name} is not a container of Plumbline")));
    }
    if !container.running {
        return Err(TestbedError::new(STAGE, format!("{name} is stopped"))
            .with_hint("run plumbline up or plumbline down, then repeat the command"));
    }
    engine.exec_ok(STAGE, &container.id, &["sh", "-ec", undo], None, INSIDE).await.map(drop)
}
