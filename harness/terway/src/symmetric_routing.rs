//! Removes the rules and routes of symmetric routing, which terway-cli sets up and never removes. Otherwise a scenario without
//! symmetric routing would have that of the previous scenario.

use futures::future::try_join_all;
use plumbline_cluster::node::Node;
use plumbline_testbed::error::TestbedError;

const STAGE: &str = "remove-symmetric-routing";
const SCRIPT: &str = include_str!("symmetric_routing.sh");

/// The configuration of symmetric routing. The defaults are terway-cli's (docs/symmetric_routing_config.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symmetric {
    /// Comment of its firewall rules.
    pub comment: String,
    /// Priority of its routing rule.
    pub priority: u32,
    /// Its routing table.
    pub table: u32,
}

impl Default for Symmetric {
    fn default() -> Self {
        Self { comment: "terway-symmetric".to_owned(), priority: 600, table: 100 }
    }
}

/// Lists the rules and routes of this symmetric routing on a node, one line each.
///
/// # Errors
/// `TestbedError` when the node does not answer.
pub async fn list(node: &Node, of: &Symmetric) -> Result<Vec<String>, TestbedError> {
    run_script(node, "list", of).await
}

/// Lists the rules and routes of any symmetric routing on a node, with any comment, priority and table. Those of a chain that
/// is no longer in the ConfigMap are unknown.
///
/// # Errors
/// `TestbedError` when the node does not answer.
pub async fn list_any(node: &Node) -> Result<Vec<String>, TestbedError> {
    run_script(node, "list-any", &Symmetric::default()).await
}

/// Removes this symmetric routing on every node, and checks that nothing of it remains.
///
/// # Errors
/// `TestbedError` with the node and what remains.
pub async fn remove(nodes: &[Node], of: &Symmetric) -> Result<(), TestbedError> {
    let left = try_join_all(nodes.iter().map(|node| run_script(node, "remove", of))).await?;
    match nodes.iter().zip(left).find(|(_, left)| !left.is_empty()) {
        None => Ok(()),
        Some((node, left)) => Err(TestbedError::new(
            STAGE,
            format!("node {}: symmetric routing of a previous chain remains: {}", node.name, left.join("; ")),
        )
        .with_hint("create the cluster again: plumbline down --profile terway, then plumbline up --profile terway")),
    }
}

async fn run_script(node: &Node, what: &str, of: &Symmetric) -> Result<Vec<String>, TestbedError> {
    let (priority, table) = (of.priority.to_string(), of.table.to_string());
    let ran = node.run_ok(STAGE, &["sh", "-c", SCRIPT, "sh", what, &of.comment, &priority, &table]).await?;
    Ok(ran.stdout.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_testbed::exec::{Cmd, ProcessEnd};

    #[tokio::test]
    async fn a_failed_listing_is_an_error() {
        for what in ["list", "list-any", "remove"] {
            let script = Cmd::new("/bin/sh").args(["-c", SCRIPT, "sh", what, "terway-symmetric", "600", "100"]);
            let ran = script.env("PATH", "/nonexistent").run().await.unwrap();
            assert_eq!(ran.ending, ProcessEnd::Code(1), "{what}: {ran:?}");
        }
    }
}
