//! What passes between a runtime and a plugin: results, errors, and the record of a call.

use crate::state::{Change, NamespaceState, PodAndNode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The commands of CNI that Plumbline gives (CNI spec, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CniCommand {
    /// Add a container to a network.
    Add,
    /// Check that it still is as it was added.
    Check,
    /// Take it away.
    Del,
}

/// The error object that a plugin prints on its standard output (CNI spec, section 5, "Error").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CniError {
    /// Error code; 100 and above are the plugin's own.
    pub code: u32,
    /// Short message.
    pub msg: String,
    /// Longer text, often empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

/// How a plugin's process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was still running at its deadline (milliseconds) and was killed.
    Deadline(u64),
    /// It could not be started: the reason.
    NotStarted(String),
}

/// One call of one plugin, kept whole for the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginCall {
    /// Network name of the chain.
    pub network: String,
    /// Position in the chain, from 0.
    pub position: usize,
    /// The plugin's `type`.
    pub plugin: String,
    /// The command given.
    pub command: CniCommand,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// The program and its arguments; the program is the path found in the search path, or the bare type.
    pub argv: Vec<String>,
    /// The `CNI_*` environment given.
    pub env: Vec<(String, String)>,
    /// Standard input (the plugin's configuration).
    pub stdin: Value,
    /// Standard output, cut at the size cap.
    pub stdout: String,
    /// Standard error, cut at the size cap.
    pub stderr: String,
    /// How it ended.
    pub exit: Exit,
    /// Wall time from start to end, in microseconds.
    pub duration_us: u64,
    /// What changed on pod and node while it ran; none where it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Change>>,
}

/// What running a chain gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainOutcome {
    /// The final result, as the last plugin printed it (ADD only).
    pub result: Option<Value>,
    /// Why the chain failed, where it did.
    pub error: Option<ChainError>,
    /// Each call, in the order made.
    pub calls: Vec<PluginCall>,
    /// The state of pod and node before the first call; none where it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<StateBefore>,
}

/// The state of pod and node before a chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StateBefore {
    /// The whole state: before the first chain of a pod.
    Whole(PodAndNode),
    /// What changed since the last call of the pod's earlier chains: what the kernel does later, or what others did.
    Since(Vec<Change>),
}

/// A chain that a container runtime ran, by its cached record (libcni, `cachedInfo`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachedChain {
    /// The network's name in its configuration.
    pub network: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// The calls of ADD as the runtime must have made them: they were not recorded. Each has the final result of the chain as
    /// its answer, and no duration.
    pub calls: Vec<PluginCall>,
}

/// The state of a pod whose chains a container runtime ran, read after ADD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateAfter {
    /// The state of a pod without attachments on the same node; none where it was not read, and then nothing is compared.
    #[serde(default)]
    pub baseline: Option<NamespaceState>,
    /// The state of the pod, and of its node what concerns plugins.
    pub now: PodAndNode,
    /// The chains of its attachments, in their order. One without calls has no record, or none that can be read.
    pub chains: Vec<AttachedChain>,
}

/// Why a chain stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainError {
    /// Position of the link that failed, from 0; none when the list itself was refused.
    pub position: Option<usize>,
    /// The plugin's `type`, where a link failed.
    pub plugin: Option<String>,
    /// The plugin's own error object, where it printed one.
    pub cni: Option<CniError>,
    /// One line for people: what failed and how, with the search path when a binary was not found.
    pub message: String,
}
