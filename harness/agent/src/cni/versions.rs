//! Asking plugins for their versions: the way to learn whether a binary starts on this node at all.

use std::time::Duration;

use plumbline_core::cni::Exit;
use plumbline_core::protocol::PluginVersion;
use serde_json::Value;

use super::call::{STDOUT_CAP_BYTES, start_trouble};
use super::{FOLDER, Plugins, busy};
use crate::place::Place;
use crate::process::{Ended, Job};
use crate::spawn::Program;
use crate::trouble::Trouble;

/// More than any plugin needs to print its versions.
const DEADLINE: Duration = Duration::from_secs(10);

const COMMAND: (&str, &str) = ("CNI_COMMAND", "VERSION");
const SEARCH: (&str, &str) = ("CNI_PATH", FOLDER);

/// The shell and the dynamic loader end with this when something that the program needs is missing.
const MISSING_PART: i32 = 127;

/// Starts each plugin with `CNI_COMMAND=VERSION`, all at once. No names means all the node has.
///
/// # Errors
/// A fault on a node that is not private; the end of the talk.
pub fn ask(names: &[String], place: &mut Place) -> Result<Vec<PluginVersion>, Trouble> {
    let plugins = place.private("ask plugins for their versions")?.clone();
    let mut names = if names.is_empty() { plugins.names.iter().cloned().collect() } else { names.to_vec() };
    names.sort();
    names.dedup();
    let jobs: Vec<Job> = names.iter().map(|name| job(&plugins, name, &[COMMAND, SEARCH])).collect();
    let ends = busy::run(&jobs, 1, place)?;
    let mut versions: Vec<PluginVersion> =
        names.into_iter().zip(ends).map(|(name, end)| version(&plugins, name, &end)).collect();
    about(&mut versions, &plugins, place)?;
    Ok(versions)
}

/// Without a command a plugin made with the CNI project's library says who it is, on standard error (`pkg/skel`). What
/// does not even answer VERSION as it should is not asked: nobody knows what it would do.
fn about(versions: &mut [PluginVersion], plugins: &Plugins, place: &mut Place) -> Result<(), Trouble> {
    let mut asked: Vec<&mut PluginVersion> = versions.iter_mut().filter(|one| !one.supported.is_empty()).collect();
    let jobs: Vec<Job> = asked.iter().map(|one| job(plugins, &one.plugin, &[])).collect();
    let ends = busy::run(&jobs, 1, place)?;
    for (one, end) in asked.iter_mut().zip(ends) {
        let text = String::from_utf8_lossy(&end.stderr);
        one.about = text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    }
    Ok(())
}

fn job(plugins: &Plugins, name: &str, env: &[(&str, &str)]) -> Job {
    let path = plugins.path(name).unwrap_or_else(|| format!("{FOLDER}/{name}"));
    let env: Vec<(String, String)> = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Job {
        program: Program { argv: vec![path], env, fed: true },
        stdin: br#"{"cniVersion":"1.0.0"}"#.to_vec(),
        deadline: DEADLINE,
        stdout_cap: STDOUT_CAP_BYTES,
    }
}

fn version(plugins: &Plugins, plugin: String, end: &Ended) -> PluginVersion {
    let path = plugins.path(&plugin);
    let stderr = String::from_utf8_lossy(&end.stderr).trim().to_owned();
    let refused = match (&path, &end.start_error, &end.exit) {
        (None, _, _) => Some(format!("not found in {}", plugins.searched())),
        (_, Some(error), _) => Some(start_trouble(error)),
        (_, None, Exit::Code(MISSING_PART)) => Some(format!("it ended with 127: {stderr}")),
        _ => None,
    };
    let answer: Value = serde_json::from_slice(&end.stdout).unwrap_or_default();
    let supported = answer["supportedVersions"].as_array().into_iter().flatten();
    PluginVersion {
        path: path.unwrap_or_else(|| plugin.clone()),
        plugin,
        supported: supported.filter_map(Value::as_str).map(str::to_owned).collect(),
        refused,
        about: None,
    }
}
