//! Waiting until a pod's sandbox is gone.
//!
//! Gone is what is left of three things: the task's bundle, the network namespace's file, and the runtime's cached
//! results. containerd ends the task first and runs CNI DEL after it (`sandbox_stop.go`), so the bundle alone says
//! nothing about the network.

use std::path::Path;
use std::time::{Duration, Instant};

use plumbline_core::protocol::{CACHED_RESULT, Outcome};

use super::{reported, sandbox};
use crate::input::Input;
use crate::process::pause;
use crate::trouble::Trouble;

/// The three lie on two filesystems, one of which may be shared: looking again is as good as inotify, and simpler.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until it is gone, at most until the deadline.
///
/// # Errors
/// The end of the talk.
pub fn wait(namespace: &str, name: &str, uid: &str, deadline_ms: u64, input: &mut Input) -> Result<Outcome, Trouble> {
    let end = Instant::now() + Duration::from_millis(deadline_ms);
    let mut namespaces: Vec<String> = Vec::new();
    loop {
        let last_seen = look(namespace, name, uid, &mut namespaces);
        if last_seen.is_none() || Instant::now() >= end {
            return Ok(Outcome::Gone { gone: last_seen.is_none(), last_seen });
        }
        pause(LOOK_AGAIN, input)?;
    }
}

/// What is still there. Remembers the namespaces seen, since their paths are known from the bundle alone.
fn look(namespace: &str, name: &str, uid: &str, namespaces: &mut Vec<String>) -> Option<String> {
    let running = sandbox::all(namespace, name, uid);
    namespaces.extend(running.iter().filter_map(|one| one.netns_text().map(str::to_owned)));
    namespaces.sort();
    namespaces.dedup();
    namespaces.retain(|path| Path::new(path).exists());
    let task = running.first().map(|one| format!("task {}/{}", sandbox::TASKS, one.id));
    let netns = || namespaces.first().map(|path| format!("network namespace {path}"));
    let cached = || reported::left(namespace, name, uid).map(|path| format!("{CACHED_RESULT} {path}"));
    task.or_else(netns).or_else(cached)
}
