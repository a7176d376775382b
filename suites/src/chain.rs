//! Terway's chain on the profile's cluster, for tests that change it or need the profile's own.

use anyhow::Context as _;
use plumbline_cluster::Cluster;
use plumbline_core::terway::{CONF, CONFLIST, EniConfig, change};
use plumbline_lanes::context::Context;
use plumbline_terway::chain::handle::ClusterHandle;
use plumbline_terway::chain::{apply, state};
use plumbline_terway::read_active_chain;
use plumbline_testbed::wait::Look;
use serde_json::Value;

/// Lease of the tests behind Terway. A test that changes the chain by several commands holds it exclusively, so that no
/// scenario's chain comes in between. Scenarios share it.
pub const CHAIN_LEASE: &str = "chain-tests";

/// Applies a chain, or removes it, because the profile has none and a scenario's chain stays until the next one.
/// The caller holds the cluster exclusively. Gives the chain on every node.
///
/// # Errors
/// When the chain does not come into force.
pub async fn set_chain(cx: &Context, cluster: &Cluster, chain: Option<&str>) -> anyhow::Result<Vec<Value>> {
    let reach = ClusterHandle::of_cluster(cluster);
    let looked = state::read_state(&reach, false).await?;
    let given = chain.map(|chain| (CONFLIST.to_owned(), chain.to_owned()));
    let mut file = EniConfig::of_cluster(given.into_iter().collect());
    if chain.is_none() {
        file.removed.insert(CONFLIST.to_owned());
    }
    let change = change(&looked.config, &file);
    if !change.is_none() {
        // Boxed, because a test's thread has a stack of 2 MiB and the awaited future is large.
        Box::pin(apply::apply_for_scenario(&reach, &looked, &change, cx)).await?;
    }
    read_chains(cluster).await
}

/// The chain in force on each node.
async fn read_chains(cluster: &Cluster) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    for node in &cluster.nodes {
        let text = match read_active_chain(node).await? {
            Look::There(text) => text,
            Look::NotYet(why) => anyhow::bail!("node {}: {why}", node.name),
        };
        found.push(serde_json::from_str(&text)?);
    }
    Ok(found)
}

/// The plugin in `10-terway.conf`, which must be the first.
///
/// # Errors
/// When it can't be read.
pub async fn read_first_plugin(cluster: &Cluster) -> anyhow::Result<Value> {
    let looked = state::read_state(&ClusterHandle::of_cluster(cluster), false).await?;
    Ok(serde_json::from_str(looked.config.text(CONF).context("there is no 10-terway.conf")?)?)
}
