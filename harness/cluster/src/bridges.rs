//! Bridges on the nodes, such as br-ex.

use crate::node::Node;
use crate::step::Found;
use futures::future::try_join_all;
use plumbline_core::plan::Bridge;
use plumbline_core::protocol::{Op, Outcome};
use plumbline_testbed::error::TestbedError;

const STAGE: &str = "bridges";

/// The profile's bridges, without addresses.
pub fn without_addresses(names: &[String]) -> Vec<Bridge> {
    names.iter().map(|name| Bridge { name: name.clone(), ..Bridge::default() }).collect()
}

/// Checks that every node has the bridges, and that they are up.
///
/// # Errors
/// `TestbedError` when a node does not answer.
pub async fn check(names: &[String], nodes: &[Node]) -> Result<Found, TestbedError> {
    for node in nodes {
        for name in names {
            // The flags are hexadecimal, and bit 0 is IFF_UP (sysfs, class/net).
            let flags = node.read(&format!("/sys/class/net/{name}/flags")).await?;
            let up = flags
                .and_then(|f| u32::from_str_radix(f.trim().trim_start_matches("0x"), 16).ok())
                .is_some_and(|f| f & 1 == 1);
            if !up {
                return Ok(Found::Lacking(format!("node {} has no bridge {name}, or it is down", node.name)));
            }
        }
    }
    Ok(Found::Good)
}

/// Creates the bridges on every node. An existing bridge stays.
///
/// # Errors
/// `TestbedError` with the node's name.
pub async fn make(bridges: &[Bridge], nodes: &[Node]) -> Result<(), TestbedError> {
    try_join_all(nodes.iter().map(|node| async {
        match node.call(Op::Bridges(bridges.to_vec())).await? {
            Outcome::Done => Ok(()),
            other => Err(TestbedError::new(STAGE, format!("node {}: {other:?}", node.name))),
        }
    }))
    .await
    .map(|_: Vec<()>| ())
}
