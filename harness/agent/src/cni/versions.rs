//! The versions of plugins: whether a binary starts on this node at all.

use std::time::Duration;

use plumbline_core::cni::Exit;
use plumbline_core::protocol::PluginVersion;
use serde_json::Value;

use super::call::{PluginContext, STDOUT_CAP_BYTES, describe_start_error};
use crate::error::RequestError;
use crate::node::plugins::{PLUGIN_FOLDER, Plugins};
use crate::process::{Job, ProcessResult};

/// More than any plugin needs to print its versions.
const DEADLINE: Duration = Duration::from_secs(10);

const COMMAND: (&str, &str) = ("CNI_COMMAND", "VERSION");
const SEARCH: (&str, &str) = ("CNI_PATH", PLUGIN_FOLDER);

/// The exit code of a shell or dynamic loader that does not find what the program needs.
const EXIT_NOT_FOUND: i32 = 127;

/// Starts plugins with `CNI_COMMAND=VERSION`, side by side. No names means all plugins of the node.
///
/// # Errors
/// The lane hung up.
pub fn query_versions(names: &[String], mut context: PluginContext) -> Result<Vec<PluginVersion>, RequestError> {
    let plugins = context.plugins;
    let mut names = if names.is_empty() { plugins.names.iter().cloned().collect() } else { names.to_vec() };
    names.sort();
    names.dedup();
    let jobs: Vec<Job> = names.iter().map(|name| version_job(plugins, name, &[COMMAND, SEARCH])).collect();
    let results = context.run(&jobs, 1)?;
    let mut versions: Vec<PluginVersion> =
        names.into_iter().zip(results).map(|(name, result)| read_version(plugins, name, &result)).collect();
    add_descriptions(&mut versions, &mut context)?;
    Ok(versions)
}

/// Adds the line that a plugin prints on standard error when it is started without a command, if it uses the CNI
/// project's library (`pkg/skel`). A program that did not answer VERSION is not started again: what it would do is unknown.
fn add_descriptions(versions: &mut [PluginVersion], context: &mut PluginContext) -> Result<(), RequestError> {
    let mut answered: Vec<&mut PluginVersion> = versions.iter_mut().filter(|one| !one.supported.is_empty()).collect();
    let jobs: Vec<Job> = answered.iter().map(|one| version_job(context.plugins, &one.plugin, &[])).collect();
    let results = context.run(&jobs, 1)?;
    for (one, result) in answered.iter_mut().zip(results) {
        let text = String::from_utf8_lossy(&result.stderr);
        one.about = text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    }
    Ok(())
}

fn version_job(plugins: &Plugins, name: &str, env: &[(&str, &str)]) -> Job {
    let path = plugins.path(name).unwrap_or_else(|| format!("{PLUGIN_FOLDER}/{name}"));
    let mut job = Job::new(vec![path], Some(br#"{"cniVersion":"1.0.0"}"#.to_vec()), DEADLINE, STDOUT_CAP_BYTES);
    job.program.env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    job
}

fn read_version(plugins: &Plugins, plugin: String, result: &ProcessResult) -> PluginVersion {
    let path = plugins.path(&plugin);
    let stderr = String::from_utf8_lossy(&result.stderr).trim().to_owned();
    let refused = match (&path, &result.start_error, &result.exit) {
        (None, _, _) => Some(format!("not found in {}", plugins.describe_search())),
        (_, Some(error), _) => Some(describe_start_error(error)),
        (_, None, Exit::Code(EXIT_NOT_FOUND)) => Some(format!("exit 127: {stderr}")),
        _ => None,
    };
    let answer: Value = serde_json::from_slice(&result.stdout).unwrap_or_default();
    let supported = answer["supportedVersions"].as_array().into_iter().flatten();
    PluginVersion {
        path: path.unwrap_or_else(|| plugin.clone()),
        plugin,
        supported: supported.filter_map(Value::as_str).map(str::to_owned).collect(),
        refused,
        about: None,
    }
}
