//! The file on a node that the stand-in for Terway's CNI plugin reads (`images/plugins/terway`): the link of the second
//! interface, and the pods' addresses.

use plumbline_cluster::node::Node;
use plumbline_testbed::error::{AtStage, TestbedError};
use serde_json::Value;

const STAGE: &str = "stand-in settings";
/// The path of the file. On the nodes `/var/run` is a link to `/run`.
pub const FILE: &str = "/run/eni/plumbline-standin.json";

/// Reads the file.
///
/// # Errors
/// `TestbedError` when it does not exist, or can't be read.
pub async fn read(node: &Node) -> Result<Value, TestbedError> {
    let text = node.read(FILE).await?;
    let text = text.ok_or_else(|| TestbedError::new(STAGE, format!("node {} has no {FILE}", node.name)))?;
    serde_json::from_str(&text).at_stage(STAGE)
}

/// The text of the file.
pub fn to_text(settings: &Value) -> String {
    format!("{settings:#}\n")
}

/// A shell command that writes the file atomically. The engine's file copy does not work here, because it ignores mounts in a
/// container such as `/run`.
pub fn write_command(settings: &Value) -> String {
    // JSON text has no line that could end the here-document.
    let text = to_text(settings);
    format!(
        "mkdir -p /run/eni && cat > {FILE}.new <<'END-OF-SETTINGS'\n{text}END-OF-SETTINGS\nmv -fT {FILE}.new {FILE}"
    )
}
