//! `up`, `down` and their leases: which process may use a cluster, and which one may change it.
//!
//! Every user of a cluster holds a lease on its name. Scenarios share the lease. Bring-up, tests that break the cluster, and
//! `down` hold it exclusively. A cluster is first checked under the shared lease, so that a running one costs only the checks.

use crate::bringup::{BringUp, lease_name, scope};
use crate::choice::{self, Choice, ImageAvailability};
use crate::cluster::{Cluster, ProvidedNetwork, Providers};
use crate::images::Pull;
use crate::naming::profile_of;
use crate::profile::{ImageSource, Loaded};
use crate::record::{self, Home};
use crate::step::Driver;
use crate::{node, undo};
use plumbline_core::event::Event;
use plumbline_kube::cluster_ranges::ClusterRanges;
use plumbline_testbed::context::Context;
use plumbline_testbed::engine::Engine;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::{Deadline, within};
use std::sync::Mutex;
use std::time::Duration;

/// The longest wait for a lease: the longest bring-up, including images.
const LEASE: Duration = Duration::from_secs(3600);
/// The number of bring-ups after which a cluster that does not stay as it was made is an error. Another process may change
/// it, or a busy host may delay what a check waits for.
const ROUNDS: usize = 5;

/// Chooses a profile, brings its cluster up or checks a running one, and returns it with a shared lease.
///
/// # Errors
/// `TestbedError` at the step that failed.
pub async fn up(cx: &Context, providers: Providers) -> Result<Cluster, TestbedError> {
    let choice = choose(cx).await?;
    let loaded = Loaded::read(&cx.root, &choice.profile)?;
    let untried = if loaded.profile.tried { "" } else { "; this profile is not yet tried" };
    let reason = format!("{}{untried}", choice.reason);
    (cx.events)(Event::Chosen { what: format!("profile {}", choice.profile), reason });

    // The cluster's name depends on the engine, and the lease needs the name.
    let engine = match Engine::connect().await {
        Ok(engine) => engine,
        Err(_) => {
            let bringup = BringUp::new(cx, &loaded, None, providers)?;
            driver(cx, &loaded).run_step(&bringup, crate::step::Step::Engine).await?;
            bringup.engine()?.clone()
        }
    };
    let mut lacking = None;
    for _ in 0..ROUNDS {
        let bringup = BringUp::new(cx, &loaded, Some(engine.clone()), providers)?;
        let name = lease_name(&bringup.rendered().await?.0.name);
        let shared = Lease::take(&name, Kind::Shared, Deadline::after(LEASE)).await?;
        lacking = driver(cx, &loaded).survey(&bringup).await?;
        if lacking.is_none() {
            return open_cluster(bringup, shared, providers).await;
        }
        drop(shared);
        let exclusive = Lease::take(&name, Kind::Exclusive, Deadline::after(LEASE)).await?;
        let bringup = BringUp::new(cx, &loaded, Some(engine.clone()), providers)?;
        driver(cx, &loaded).drive(&bringup).await?;
        drop(exclusive);
    }
    let last = lacking.map_or_else(String::new, |(step, what)| format!("; the last check of {}: {what}", step.name()));
    let message = format!("the cluster did not stay as it was made after each of {ROUNDS} bring-ups{last}");
    Err(TestbedError::new("cluster", message))
}

fn driver<'a>(cx: &'a Context, loaded: &Loaded) -> Driver<'a> {
    Driver { events: &cx.events, scope: scope(loaded), cancel: &cx.cancel }
}

async fn open_cluster(bringup: BringUp<'_>, lease: Lease, providers: Providers) -> Result<Cluster, TestbedError> {
    let alive = bringup.alive().await?;
    let (rendered, home) = bringup.rendered().await?;
    let toolbox = bringup.toolbox()?;
    let own = ClusterRanges::read(&alive.client).await?;
    let provided = match bringup.provider() {
        Ok(provider) => {
            let plugins = bringup.plugins().await?.hash();
            Some(ProvidedNetwork { provider, loaded: bringup.loaded.clone(), plugins })
        }
        Err(_) => None,
    };
    Ok(Cluster {
        name: rendered.name.clone(),
        profile: bringup.loaded.profile.metadata.name.clone(),
        kubeconfig: home.kubeconfig(),
        client: alive.client,
        nodes: alive.nodes,
        toolbox,
        own,
        home: home.clone(),
        parts: bringup.parts()?,
        provided,
        providers,
        lease: Some(lease),
        deleting: Mutex::default(),
        pull: Pull { engine: bringup.engine()?.clone() },
    })
}

/// Takes a lease on a cluster without checking the cluster.
///
/// # Errors
/// `TestbedError` when other processes still use it at the deadline.
pub async fn take_lease(cluster: &str, kind: Kind, deadline: Deadline) -> Result<Lease, TestbedError> {
    Lease::take(&lease_name(cluster), kind, deadline).await
}

/// Replaces the shared lease on the cluster with an exclusive one, for tests that break it.
///
/// # Errors
/// `TestbedError` when other processes still use it at the deadline.
pub async fn lock_exclusively(mut cluster: Cluster) -> Result<Cluster, TestbedError> {
    // The shared lease is released first: two processes that wait for each other's lease would never end.
    drop(cluster.lease.take());
    cluster.lease = Some(take_lease(&cluster.name, Kind::Exclusive, Deadline::after(LEASE)).await?);
    Ok(cluster)
}

/// Runs bring-up on a leased cluster again, for tests that hold it exclusively and broke it.
///
/// # Errors
/// `TestbedError` at the step that failed.
pub async fn repair(cx: &Context, cluster: &Cluster) -> Result<(), TestbedError> {
    let loaded = Loaded::read(&cx.root, &cluster.profile)?;
    let bringup = BringUp::new(cx, &loaded, Some(cluster.pull.engine.clone()), cluster.providers)?;
    driver(cx, &loaded).drive(&bringup).await
}

/// Chooses the profile, with the reason.
///
/// # Errors
/// `TestbedError` when profiles or records can't be read.
async fn choose(cx: &Context) -> Result<Choice, TestbedError> {
    let engine = Engine::connect().await.ok();
    let mut running = Vec::new();
    if let Some(engine) = &engine {
        for record in record::list_records()?.into_iter().filter(|r| r.complete) {
            if !node::list_containers(engine, &record.name).await?.is_empty() && !running.contains(&record.profile) {
                running.push(record.profile);
            }
        }
    }
    if let Some(choice) = choice::choose_known(cx.options.profile.as_deref(), &running) {
        return Ok(choice);
    }
    let upstream = Loaded::read(&cx.root, choice::UPSTREAM)?;
    let Some(engine) = engine else {
        // Only the engine can check whether a registry is reachable, and this host has no running engine yet. Building works
        // with and without a registry.
        let reason = "no engine runs yet, so no registry can be checked".to_owned();
        return Ok(Choice { profile: choice::HERMETIC.to_owned(), reason });
    };
    let mut found = Vec::new();
    for source in [Some(&upstream.profile.images.node), upstream.profile.images.multus.as_ref()].into_iter().flatten() {
        if let ImageSource::Pulled(reference) = source {
            let availability = probe_availability(&engine, reference).await?;
            let unavailable = matches!(availability, ImageAvailability::Unavailable(_));
            found.push((reference.clone(), availability));
            if unavailable {
                break;
            }
        }
    }
    Ok(choice::choose_by_images(&found))
}

async fn probe_availability(engine: &Engine, reference: &str) -> Result<ImageAvailability, TestbedError> {
    if engine.image(reference).await?.is_some() {
        return Ok(ImageAvailability::Local);
    }
    let offered = within(Duration::from_secs(8), engine.check_offered(reference)).await;
    Ok(match offered {
        Some(Ok(())) => ImageAvailability::Pullable,
        Some(Err(error)) => ImageAvailability::Unavailable(error.cause()),
        None => ImageAvailability::Unavailable("its registry did not answer within 8 s".to_owned()),
    })
}

/// Deletes every cluster of Plumbline, or those of one profile. Returns the names of the deleted clusters.
///
/// # Errors
/// `TestbedError` when a cluster is still in use at the deadline, or can't be deleted.
pub async fn down(cx: &Context) -> Result<Vec<String>, TestbedError> {
    let engine = Engine::connect().await?;
    let wanted = |profile: &str| cx.options.profile.as_deref().is_none_or(|requested| requested == profile);
    let mut deleted = Vec::new();
    for record in record::list_records()?.into_iter().filter(|r| wanted(&r.profile) && profile_of(&r.name).is_some()) {
        let lease =
            Lease::take(&lease_name(&record.name), Kind::Exclusive, Deadline::after(Duration::from_secs(60))).await?;
        let home = Home::of(&record.name)?;
        undo::remove_cluster(&engine, &record.name).await?;
        home.forget()?;
        drop(lease);
        deleted.push(record.name);
    }
    Ok(deleted)
}
