//! Checks of this host for the lane.

use crate::host::{HostCheck, check_free_space};
use crate::lane::Installation;
use plumbline_testbed::engine::setup::{Needed, Setup};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::folders;
use std::path::Path;

const SCOPE: &str = "kind";
const ENGINE: &str = "container engine";
/// Free space for building a node image and running a cluster of it, in MiB: 14 GiB of sources and build
/// products of Kubernetes, 5 GiB of images.
const CLUSTER_MIB: u64 = 19 * 1024;
/// inotify instances that one node takes, and what kind's documentation advises ("known issues: pod errors due to too
/// many open files").
const INSTANCES: (u64, u64) = (128, 512);
/// Memory that a cluster takes, in MiB.
const MEMORY_MIB: u64 = 2048;

/// Checks the engine, free space, inotify and memory. No cluster is made.
pub async fn check_host(root: &Path) -> Vec<HostCheck> {
    let (least, advised) = INSTANCES;
    let instances = read_number("/proc/sys/fs/inotify/max_user_instances");
    let memory = available_memory_mib();
    vec![
        check_engine(root).await,
        check_free_space(SCOPE, "the cache", folders::cache(), CLUSTER_MIB),
        HostCheck::new(
            SCOPE,
            "inotify instances",
            instances.is_some_and(|number| number >= least),
            instances.map_or_else(|| "unreadable".to_owned(), |number| number.to_string()),
            &format!("{least} for one node, {advised} advised"),
            &format!("sysctl -w fs.inotify.max_user_instances={advised}"),
        )
        .optional(),
        HostCheck::new(
            SCOPE,
            "available memory",
            memory.is_some_and(|mib| mib >= MEMORY_MIB),
            memory.map_or_else(|| "unreadable".to_owned(), |mib| format!("{mib} MiB")),
            &format!("{MEMORY_MIB} MiB"),
            "end other programs, or give the machine more memory",
        ),
    ]
}

async fn check_engine(root: &Path) -> HostCheck {
    let needed = match Setup::new(root, |_| {}) {
        Ok(setup) => setup.needed().await,
        Err(error) => Err(error),
    };
    match needed {
        Ok(Needed::Nothing(engine)) => {
            let at = engine.endpoint().host.clone();
            let found = match engine.info().await {
                Ok(info) => format!("{} at {at}, storage {}", info.version, info.storage),
                Err(_) => format!("running at {at}"),
            };
            HostCheck::met(SCOPE, ENGINE, &found)
        }
        Ok(Needed::Plan(plan)) => {
            let found = format!("none is running; plumbline can: {}", plan.lines().join("; "));
            let hint = "run plumbline up --yes, or start an engine yourself";
            HostCheck::new(SCOPE, ENGINE, false, found, "a running engine", hint)
        }
        Err(error) => HostCheck::failed(SCOPE, ENGINE, &error),
    }
}

/// The software that the lane would install. None if an engine is running or an installed one can be started.
///
/// # Errors
/// [`TestbedError`] when no engine can be started here at all.
pub async fn installation(root: &Path) -> Result<Option<Installation>, TestbedError> {
    Ok(match Setup::new(root, |_| {})?.needed().await? {
        Needed::Plan(plan) if plan.consent => {
            Some(Installation { missing: "no container engine is running".to_owned(), steps: plan.lines() })
        }
        _ => None,
    })
}

fn read_number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn available_memory_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}
