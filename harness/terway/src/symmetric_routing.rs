//! Taking away what terway-cli sets up for symmetric routing, and never takes away itself: without this, a scenario that is
//! meant to lack it would have that of the scenario before.

use futures::future::try_join_all;
use plumbline_cluster::node::Node;
use plumbline_testbed::error::TestbedError;

const STAGE: &str = "scrub-symmetric-routing";
const SCRIPT: &str = include_str!("symmetric_routing.sh");

/// What terway-cli was told; its own values where a chain says nothing (docs/symmetric_routing_config.md).
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

/// What of it is on a node, a line each; nothing where there is none.
///
/// # Errors
/// `TestbedError` when the node can't be asked.
pub async fn look(node: &Node, of: &Symmetric) -> Result<Vec<String>, TestbedError> {
    run(node, "look", of).await
}

/// What of anybody's symmetric routing is on a node, whatever its comment, priority and table are: those of a chain that is no
/// longer in the ConfigMap nobody can name.
///
/// # Errors
/// `TestbedError` when the node can't be asked.
pub async fn any(node: &Node) -> Result<Vec<String>, TestbedError> {
    run(node, "any", &Symmetric::default()).await
}

/// Takes it away on every node, and sees that it is gone.
///
/// # Errors
/// `TestbedError` naming the node and what is still there.
pub async fn scrub(nodes: &[Node], of: &Symmetric) -> Result<(), TestbedError> {
    let left = try_join_all(nodes.iter().map(|node| run(node, "take", of))).await?;
    match nodes.iter().zip(left).find(|(_, left)| !left.is_empty()) {
        None => Ok(()),
        Some((node, left)) => Err(TestbedError::new(
            STAGE,
            format!("node {}: symmetric routing of a chain before is still there: {}", node.name, left.join("; ")),
        )
        .with_hint("what lacks it would be seen to have it; plumbline down --profile terway, then up, makes it anew")),
    }
}

async fn run(node: &Node, what: &str, of: &Symmetric) -> Result<Vec<String>, TestbedError> {
    let (priority, table) = (of.priority.to_string(), of.table.to_string());
    let ran = node.must(STAGE, &["sh", "-c", SCRIPT, "sh", what, &of.comment, &priority, &table]).await?;
    Ok(ran.stdout.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_testbed::exec::{Cmd, ProcessEnd};

    #[tokio::test]
    async fn what_can_not_be_listed_is_not_nothing() {
        for what in ["look", "any", "take"] {
            let script = Cmd::new("/bin/sh").args(["-c", SCRIPT, "sh", what, "terway-symmetric", "600", "100"]);
            let ran = script.env("PATH", "/nonexistent").run().await.unwrap();
            assert_eq!(ran.ending, ProcessEnd::Code(1), "{what}: {ran:?}");
        }
    }
}
