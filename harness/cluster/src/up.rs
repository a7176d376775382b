//! `up`, `down` and the leases around them: who may use a cluster, and who may change it.
//!
//! A lease on the cluster's name is held by whoever uses it: shared by scenarios, alone by bring-up, by tests that
//! break it, and by `down`. A cluster is surveyed under the shared lease first, so that a warm one costs only looks.

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

/// How long others' use of a cluster is waited for: the longest bring-up, images included.
const LEASE: Duration = Duration::from_secs(3600);
/// How often a cluster may be found changed between bring-up and use before that is the fault.
const ROUNDS: usize = 3;

/// Chooses a profile, brings its cluster up or checks a warm one, and gives it under a shared lease.
///
/// # Errors
/// `TestbedError` at the step that failed.
pub async fn up(cx: &Context, providers: Providers) -> Result<Cluster, TestbedError> {
    let choice = choose(cx).await?;
    let loaded = Loaded::read(&cx.root, &choice.profile)?;
    let untried = if loaded.profile.tried { "" } else { "; this profile is not yet tried" };
    let reason = format!("{}{untried}", choice.reason);
    (cx.events)(Event::Chosen { what: format!("profile {}", choice.profile), reason });

    // Bring-up needs an engine to know the cluster's name, and the name to take the lease.
    let engine = match Engine::connect().await {
        Ok(engine) => engine,
        Err(_) => {
            let lone = BringUp::new(cx, &loaded, None, providers)?;
            driver(cx, &loaded).step(&lone, crate::step::Step::Engine).await?;
            lone.engine()?.clone()
        }
    };
    for _ in 0..ROUNDS {
        let bringup = BringUp::new(cx, &loaded, Some(engine.clone()), providers)?;
        let name = lease_name(&bringup.rendered().await?.0.name);
        let shared = Lease::take(&name, Kind::Shared, Deadline::after(LEASE)).await?;
        if driver(cx, &loaded).survey(&bringup).await?.is_none() {
            return cluster(bringup, shared, providers).await;
        }
        drop(shared);
        let alone = Lease::take(&name, Kind::Exclusive, Deadline::after(LEASE)).await?;
        let bringup = BringUp::new(cx, &loaded, Some(engine.clone()), providers)?;
        driver(cx, &loaded).drive(&bringup).await?;
        drop(alone);
    }
    Err(TestbedError::new(
        "cluster",
        format!("brought up {ROUNDS} times, and found changed by somebody else each time"),
    ))
}

fn driver<'a>(cx: &'a Context, loaded: &Loaded) -> Driver<'a> {
    Driver { events: &cx.events, scope: scope(loaded), cancel: &cx.cancel }
}

async fn cluster(bringup: BringUp<'_>, lease: Lease, providers: Providers) -> Result<Cluster, TestbedError> {
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
        leaving: Mutex::default(),
        pull: Pull { engine: bringup.engine()?.clone() },
    })
}

/// A lease on a cluster that is used as it is, without a look whether it is as its profile says.
///
/// # Errors
/// `TestbedError` when others still use it at the deadline.
pub async fn held(cluster: &str, kind: Kind, deadline: Deadline) -> Result<Lease, TestbedError> {
    Lease::take(&lease_name(cluster), kind, deadline).await
}

/// Takes the cluster for one user alone, for tests that break it.
///
/// # Errors
/// `TestbedError` when others still use it at the deadline.
pub async fn alone(mut cluster: Cluster) -> Result<Cluster, TestbedError> {
    // The shared lease is released first: two that waited for each other's would wait for ever.
    drop(cluster.lease.take());
    cluster.lease = Some(held(&cluster.name, Kind::Exclusive, Deadline::after(LEASE)).await?);
    Ok(cluster)
}

/// Brings a cluster that is held to what its profile says, as [`up`] does: for tests that hold it alone and broke it.
///
/// # Errors
/// `TestbedError` at the step that failed.
pub async fn again(cx: &Context, cluster: &Cluster) -> Result<(), TestbedError> {
    let loaded = Loaded::read(&cx.root, &cluster.profile)?;
    let bringup = BringUp::new(cx, &loaded, Some(cluster.pull.engine.clone()), cluster.providers)?;
    driver(cx, &loaded).drive(&bringup).await
}

/// The profile to use, with the reason.
///
/// # Errors
/// `TestbedError` when profiles or records can't be read.
async fn choose(cx: &Context) -> Result<Choice, TestbedError> {
    let engine = Engine::connect().await.ok();
    let mut running = Vec::new();
    if let Some(engine) = &engine {
        for record in record::all()?.into_iter().filter(|r| r.complete) {
            if !node::containers(engine, &record.name).await?.is_empty() && !running.contains(&record.profile) {
                running.push(record.profile);
            }
        }
    }
    if let Some(choice) = choice::known(cx.options.profile.as_deref(), &running) {
        return Ok(choice);
    }
    let upstream = Loaded::read(&cx.root, choice::UPSTREAM)?;
    let Some(engine) = engine else {
        // What starts an engine of ours is a host without one; whether it reaches a registry is asked of that engine,
        // and it is not there yet. Building works on both.
        let reason = "no engine answers yet, and one that plumbline starts pulls nothing".to_owned();
        return Ok(Choice { profile: choice::HERMETIC.to_owned(), reason });
    };
    let mut found = Vec::new();
    for source in [Some(&upstream.profile.images.node), upstream.profile.images.multus.as_ref()].into_iter().flatten() {
        if let ImageSource::Pulled(reference) = source {
            let had = had(&engine, reference).await?;
            let no = matches!(had, ImageAvailability::No(_));
            found.push((reference.clone(), had));
            if no {
                break;
            }
        }
    }
    Ok(choice::by_images(&found))
}

async fn had(engine: &Engine, reference: &str) -> Result<ImageAvailability, TestbedError> {
    if engine.image(reference).await?.is_some() {
        return Ok(ImageAvailability::AtHand);
    }
    let offered = within(Duration::from_secs(8), engine.check_offered(reference)).await;
    Ok(match offered {
        Some(Ok(())) => ImageAvailability::ToBePulled,
        Some(Err(error)) => ImageAvailability::No(error.cause()),
        None => ImageAvailability::No("its registry did not answer within 8 s".to_owned()),
    })
}

/// Deletes every cluster of ours, or those of one profile. Gives the names of those that were deleted.
///
/// # Errors
/// `TestbedError` when one is still in use at the deadline, or can't be deleted.
pub async fn down(cx: &Context) -> Result<Vec<String>, TestbedError> {
    let engine = Engine::connect().await?;
    let wanted = |profile: &str| cx.options.profile.as_deref().is_none_or(|asked| asked == profile);
    let mut gone = Vec::new();
    for record in record::all()?.into_iter().filter(|r| wanted(&r.profile) && profile_of(&r.name).is_some()) {
        let lease =
            Lease::take(&lease_name(&record.name), Kind::Exclusive, Deadline::after(Duration::from_secs(60))).await?;
        let home = Home::of(&record.name)?;
        undo::remove_cluster(&engine, &record.name).await?;
        home.forget()?;
        drop(lease);
        gone.push(record.name);
    }
    Ok(gone)
}
