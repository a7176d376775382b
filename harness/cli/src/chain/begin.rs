//! What keeps a change from being begun, whatever the chain is like.

use super::ClusterRef;
use crate::select::Refused;
use plumbline_core::terway::{Change, NodeFacts, Planned, alternatives};
use plumbline_terway::chain::handle::ClusterHandle;
use plumbline_terway::chain::restore as back;
use plumbline_terway::chain::state::TerwayState;
use plumbline_testbed::error::TestbedError;

/// What a node's own Terway may be asked to do first.
const RESTART: &str = "kubectl rollout restart -n kube-system daemonset/terway-eniip";

/// Refuses to begin a change, whatever the chain is like: an earlier one is open, a node can't be read (where `nodes` were
/// to be), or what it has is not what it must have now, so that nothing could be told of it after either.
///
/// # Errors
/// [`Refused`] with why; else what kept the cluster from being read.
pub(super) async fn obstacle(
    reach: &ClusterHandle,
    looked: &TerwayState,
    change: &Change,
    planned: &Planned,
    nodes: bool,
) -> anyhow::Result<()> {
    if let Some(open) = back::kept(reach).await?.iter().find(|kept| kept.applied_at.is_none()) {
        let what = format!("{}: the change {} is not finished", reach.name, open.run);
        return Err(Refused::one(format!("{what}; fix: restore the old chain first: plumbline chain restore")).into());
    }
    if nodes {
        // What is in force already is told only where every node was read, too.
        seen_whole(reach, looked)?;
    }
    // The old one would be put back where the new one fails, and no node would come up with it.
    if let Err(why) = alternatives(&looked.config, &NodeFacts::default()) {
        let cure = "don't restart Terway, its nodes keep what they have until then; put the key right, or take it away, by \
                    kubectl, then again";
        let what = format!("terway-cli refuses the chain that is in the ConfigMap now ({why})");
        return Err(Refused::one(format!("{}: {what}: {cure}", reach.name)).into());
    }
    if let Some(first) = planned.now.iter().flat_map(|now| &now.findings).next() {
        let cure = format!(
            "somebody may have written it since Terway was restarted: look at it by `plumbline chain lint`, then \
             {RESTART}, then again. If it stays so, this Terway makes its conflist otherwise than 1.17.5, by which \
             Plumbline tells, and a change could be neither proven nor seen to be taken back"
        );
        return Err(Refused::one(format!("{}: before any change, {}: {cure}", reach.name, first.message)).into());
    }
    if change.to.is_some() && !looked.seen.nodes.is_empty() && looked.seen.nodes.iter().all(|node| node.facts.exclusive)
    {
        let why = "every node throws each chain away (plumbline explain PL631): nothing would come into force";
        return Err(Refused::one(format!("{}: {why}", reach.name)).into());
    }
    Ok(())
}

/// Nothing is changed where it could not be told whether it arrives.
fn seen_whole(reach: &ClusterHandle, looked: &TerwayState) -> Result<(), TestbedError> {
    let blind: Vec<String> = looked
        .seen
        .nodes
        .iter()
        .filter(|node| node.conflist.is_none())
        .map(|node| format!("{}: {}", node.name, node.unread.as_deref().unwrap_or("no conflist there")))
        .collect();
    let stage = "look at the nodes";
    if looked.seen.nodes.is_empty() {
        return Err(TestbedError::new(stage, format!("{}: Terway runs on no node", reach.name)));
    }
    if blind.is_empty() {
        return Ok(());
    }
    let cause = format!("cannot compare the conflist of every node, so nothing was changed: {}", blind.join("; "));
    Err(TestbedError::new(stage, cause)
        .with_hint("the right to exec in pods of kube-system: the conflist is read by `cat` in Terway's own pod"))
}

pub(super) fn consent(at: ClusterRef<'_>, yes: bool, what: &str) -> Result<(), Refused> {
    match at {
        ClusterRef::Context(context) if !yes => Err(Refused::one(format!(
            "context {context} is a cluster that Plumbline did not make; this would {what}; fix: confirm with --yes"
        ))),
        _ => Ok(()),
    }
}
