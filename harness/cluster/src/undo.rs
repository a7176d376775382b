//! Undoing what dead runs left of clusters: half-made ones, and changes inside their containers.

use crate::naming::{OWNER, OWNER_LABEL, profile_of};
use crate::node::{self, KIND_LABEL};
use crate::record::Home;
use futures::future::BoxFuture;
use plumbline_testbed::engine::Engine;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, Undo};
use plumbline_testbed::lease::{Kind as LeaseKind, Lease};
use plumbline_testbed::wait::Deadline;
use std::time::Duration;

const STAGE: &str = "clean up";
/// For a line of shell that takes a change back, and for the lease that it needs.
const INSIDE: Duration = Duration::from_secs(20);

/// Undoes effects on kind clusters and in their containers.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClusterUndo;

impl Undo for ClusterUndo {
    fn undo<'a>(&'a self, effect: &'a Effect) -> Option<BoxFuture<'a, Result<(), TestbedError>>> {
        match effect {
            Effect::Cluster { name } => Some(Box::pin(half_made(name))),
            Effect::Inside { container, undo, lease, .. } => Some(Box::pin(inside(container, undo, lease))),
            _ => None,
        }
    }
}

/// Deletes a cluster that was not made to its end. One whose record is complete was handed over, and stays.
async fn half_made(name: &str) -> Result<(), TestbedError> {
    if profile_of(name).is_none() {
        return Err(TestbedError::new(STAGE, format!("{name} is no name of a cluster of ours")));
    }
    let home = Home::of(name)?;
    if home.record().is_some_and(|record| record.complete) {
        return Ok(());
    }
    node::remove(&Engine::connect().await?, name).await?;
    home.forget()
}

/// Takes a change back inside a container of ours. With a container that went, so did the change.
async fn inside(name: &str, undo: &str, lease: &str) -> Result<(), TestbedError> {
    // Somebody who lives may have changed the same since.
    let _lease = Lease::take(lease, LeaseKind::Exclusive, Deadline::after(INSIDE)).await?;
    let engine = Engine::connect().await?;
    let Some(container) = engine.container(name).await? else { return Ok(()) };
    let label = |key: &str| container.labels.get(key).map(String::as_str);
    // kind gives its nodes no labels of ours.
    if label(OWNER_LABEL) != Some(OWNER) && label(KIND_LABEL).and_then(profile_of).is_none() {
        return Err(TestbedError::new(STAGE, format!("{name} is no container of ours")));
    }
    if !container.running {
        return Err(TestbedError::new(STAGE, format!("{name} is stopped")).with_hint("plumbline up, or plumbline down"));
    }
    engine.exec_ok(STAGE, &container.id, &["sh", "-ec", undo], None, INSIDE).await.map(drop)
}
