//! Finds the agent and the plugins, and refuses plugins that do not start.

use crate::agent::NodeAgent;
use crate::context::Context;
use plumbline_core::protocol::PluginVersion;
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// For developers of Plumbline: an agent that replaces the one in the cache. The report names it.
pub const AGENT_VARIABLE: &str = "PLUMBLINE_AGENT";

/// For developers of Plumbline: a folder of plugins that replaces those in the cache. The report names it.
pub const PLUGINS_VARIABLE: &str = "PLUMBLINE_CNI_PATH";

/// Part of the version text of a stand-in plugin.
const STAND_IN: &str = "not upstream's";

/// The binaries in use.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The agent's command line that makes a node with these plugins.
    pub node: Vec<String>,
    /// Stand-in plugins: type, and its version text.
    pub stand_ins: Vec<(String, String)>,
    /// The plugins of the node.
    pub names: BTreeSet<String>,
    /// Parts replaced by the developer's variables, each a line.
    pub overrides: Vec<String>,
}

/// Finds agent and plugins. Builds missing ones into the cache.
///
/// # Errors
/// [`TestbedError`] when one can't be found or built.
pub async fn find(cx: &Context) -> Result<Binaries, TestbedError> {
    let mut overrides = Vec::new();
    let agent = find_agent(cx, &mut overrides).await?;
    let plugins = match read_override(PLUGINS_VARIABLE, &mut overrides) {
        Some(path) => path,
        None => cx.images.plugins_dir().await?,
    };
    let mut node = vec![agent.display().to_string(), "node".to_owned()];
    for (name, path) in &cx.options.plugins {
        node.extend(["--plugin".to_owned(), format!("{name}={}", path.display())]);
    }
    if let Some(path) = find_whereabouts(cx).await? {
        node.extend(["--plugin".to_owned(), format!("{WHEREABOUTS}={}", path.display())]);
    }
    for folder in cx.options.cni_path.iter().chain([&plugins]) {
        node.extend(["--cni-path".to_owned(), folder.display().to_string()]);
    }
    Ok(Binaries { node, stand_ins: Vec::new(), names: BTreeSet::new(), overrides })
}

/// The IPAM plugin that needs an API server.
pub const WHEREABOUTS: &str = "whereabouts";

/// The stand-in for whereabouts, which these lanes have beside the plugins of every node; none if the user gives a plugin of
/// that name.
///
/// # Errors
/// `TestbedError` when it can't be built.
pub async fn find_whereabouts(cx: &Context) -> Result<Option<PathBuf>, TestbedError> {
    match cx.options.replacement(WHEREABOUTS) {
        Some(_) => Ok(None),
        None => cx.images.tool(WHEREABOUTS).await.map(Some),
    }
}

/// The agent: that of [`AGENT_VARIABLE`], or the one that is built here. Adds an override to `overrides`.
///
/// # Errors
/// `TestbedError` when it can't be built.
pub async fn find_agent(cx: &Context, overrides: &mut Vec<String>) -> Result<PathBuf, TestbedError> {
    match read_override(AGENT_VARIABLE, overrides) {
        Some(path) => Ok(path),
        None => cx.images.agent().await,
    }
}

/// The path in an environment variable; none if it is not set. Adds it to `overrides`.
pub fn read_override(variable: &str, overrides: &mut Vec<String>) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)?;
    overrides.push(format!("{variable}={}", path.display()));
    Some(path)
}

/// Starts every plugin once on a node: refuses those that can't start there, and reads their names and which ones are
/// stand-ins.
///
/// # Errors
/// [`TestbedError`] that names each plugin that does not start, and why.
pub async fn check(binaries: &mut Binaries, agent: &mut NodeAgent) -> Result<(), TestbedError> {
    let versions = agent.read_plugin_versions(Vec::new()).await?;
    let refused: Vec<String> = versions.iter().filter_map(describe_refusal).collect();
    if !refused.is_empty() {
        let hint = "build it static and for this machine's architecture, or leave it out of --plugin and --cni-path";
        return Err(TestbedError::new("start the plugins", refused.join("; ")).with_hint(hint));
    }
    binaries.names = versions.iter().map(|one| one.plugin.clone()).collect();
    let described = versions.into_iter().filter_map(|one| Some((one.plugin, one.about?)));
    binaries.stand_ins = described.filter(|(_, about)| about.contains(STAND_IN)).collect();
    Ok(())
}

fn describe_refusal(version: &PluginVersion) -> Option<String> {
    let why = version.refused.as_ref()?;
    Some(format!("plugin {} does not start on the node: {why}", version.plugin))
}
