//! How a change of the chain ended: values that reports and programs read.

use super::rollout::Rollout;
use serde::{Deserialize, Serialize};

/// How an operation ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// How the cluster is called.
    pub cluster: String,
    /// What is the matter with the chain in force; of an operation that failed, what was when it did.
    pub rollout: Rollout,
    /// Why it failed, where it did; then the old chain is put back.
    pub failed: Option<String>,
    /// How the old chain was put back.
    pub put_back: Option<PutBack>,
    /// Why it could not be; `plumbline chain restore` and `gc` try again.
    pub left: Option<String>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Whether it failed for a reason that is neither the chain's nor Terway's: the server refused, a pod had no place.
    #[serde(default)]
    pub error: bool,
    /// The ConfigMap that keeps the old chain.
    pub kept: String,
    /// Each step with its milliseconds.
    pub steps: Vec<(String, u64)>,
    /// From the first step to the last node verified, in milliseconds.
    pub millis: u64,
    /// Parts of the cluster that are not what users run.
    #[serde(default)]
    pub stand_ins: Vec<String>,
}

/// What was done to put the old chain back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutBack {
    /// The run whose change it was.
    pub run: String,
    /// Whether the ConfigMap had to be written.
    pub written: bool,
    /// Whether the DaemonSet had to be restarted.
    pub restarted: bool,
    /// Keys beside the chain that somebody else has changed since: left alone.
    pub others: Vec<String>,
    /// Each node's conflist beside the old chain.
    pub rollout: Rollout,
}
