//! What can be made outside, as journal lines.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Something outside that Plumbline makes, and must be able to take away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Effect {
    /// A process of ours, with its start time so that a reused pid is not mistaken for it.
    Process {
        /// Process id.
        pid: u32,
        /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
        start: u64,
        /// What it is.
        what: String,
    },
    /// A folder, removed with all that is in it.
    Folder {
        /// Absolute path.
        path: PathBuf,
    },
    /// A file.
    File {
        /// Absolute path.
        path: PathBuf,
    },
    /// A container of the engine.
    Container {
        /// Name.
        name: String,
    },
    /// A network of the engine.
    Network {
        /// Name.
        name: String,
    },
    /// A volume of the engine.
    Volume {
        /// Name.
        name: String,
    },
    /// A kind cluster that is being made; crossed out once it is complete, since clusters outlive runs.
    Cluster {
        /// kind's name of it.
        name: String,
    },
    /// A Kubernetes namespace and all that is in it.
    #[serde(rename_all = "camelCase")]
    KubeNamespace {
        /// Our own kubeconfig file.
        kubeconfig: PathBuf,
        /// Namespace.
        name: String,
    },
    /// Any other Kubernetes object.
    #[serde(rename_all = "camelCase")]
    KubeObject {
        /// Our own kubeconfig file.
        kubeconfig: PathBuf,
        /// `apiVersion`.
        api_version: String,
        /// `kind`.
        object_kind: String,
        /// Namespace; empty for cluster-wide objects.
        namespace: String,
        /// Name.
        name: String,
    },
    /// A change inside a container that stays when the run ends, such as a node of a cluster that is kept.
    Inside {
        /// The container's name.
        container: String,
        /// A line of shell that takes the change back; running it twice does no harm.
        undo: String,
        /// What was changed.
        what: String,
        /// The lease that is held exclusively while it is changed.
        lease: String,
    },
    /// A chain change that is not complete: the old chain is to be restored.
    Chain {
        /// The cluster's name.
        cluster: String,
        /// The file with the old configuration and how to reach the cluster.
        kept: PathBuf,
    },
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Effect::Process { pid, what, .. } => write!(f, "process {pid} ({what})"),
            Effect::Folder { path } => write!(f, "folder {}", path.display()),
            Effect::File { path } => write!(f, "file {}", path.display()),
            Effect::Container { name } => write!(f, "container {name}"),
            Effect::Network { name } => write!(f, "network {name}"),
            Effect::Volume { name } => write!(f, "volume {name}"),
            Effect::Cluster { name } => write!(f, "kind cluster {name}"),
            Effect::KubeNamespace { name, .. } => write!(f, "namespace {name}"),
            Effect::KubeObject { object_kind, namespace, name, .. } => write!(f, "{object_kind} {namespace}/{name}"),
            Effect::Inside { container, what, .. } => write!(f, "{what} in {container}"),
            Effect::Chain { cluster, .. } => write!(f, "change of Terway's chain, {cluster}"),
        }
    }
}

/// An intent's number within its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EffectId(pub u64);

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// The first line: which run's journal it is.
    Begin {
        /// Run id.
        run: String,
        /// What the run is, for example `run` or `up`.
        what: String,
        /// The owner's process id.
        pid: u32,
        /// The owner's start time in clock ticks since boot.
        start: u64,
    },
    /// The effect is about to be made.
    Intent {
        /// Number within the journal, from 1.
        id: u64,
        /// The effect.
        effect: Effect,
    },
    /// The effect is gone again, or was handed over.
    Done {
        /// The intent's number.
        id: u64,
    },
}
