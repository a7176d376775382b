//! The file on a node that the stand-in of Terway's CNI plugin reads (`images/plugins/terway`): which link is the second
//! interface, and which addresses pods get.

use plumbline_cluster::node::Node;
use plumbline_testbed::error::{AtStage, TestbedError};
use serde_json::Value;

const STAGE: &str = "stand-in settings";
/// Below the node's `/run`, which `/var/run` points at.
pub const FILE: &str = "/run/eni/plumbline-standin.json";

/// What is in it.
///
/// # Errors
/// `TestbedError` when there is none, or it can't be read.
pub async fn read(node: &Node) -> Result<Value, TestbedError> {
    let text = node.read(FILE).await?;
    let text = text.ok_or_else(|| TestbedError::new(STAGE, format!("node {} has no {FILE}", node.name)))?;
    serde_json::from_str(&text).at_stage(STAGE)
}

/// Its text.
pub fn text(settings: &Value) -> String {
    format!("{settings:#}\n")
}

/// A line of shell that writes it, whole at once. Not by the engine's copy, which does not see what is mounted in a
/// container, as `/run` is.
pub fn line(settings: &Value) -> String {
    // JSON text has no line of its own that could end this.
    let text = text(settings);
    format!(
        "mkdir -p /run/eni && cat > {FILE}.new <<'END-OF-SETTINGS'\n{text}END-OF-SETTINGS\nmv -fT {FILE}.new {FILE}"
    )
}
