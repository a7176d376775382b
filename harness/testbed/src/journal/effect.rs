//! The effects outside this process, as journal lines.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An effect outside this process that Plumbline must be able to undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Effect {
    /// A process of Plumbline, with its start time, so that a process with a reused id is not mistaken for it.
    Process {
        /// Process id.
        pid: u32,
        /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
        start: u64,
        /// Its description.
        what: String,
    },
    /// A folder, removed with its content.
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
    /// A kind cluster that is being created. The entry is crossed out when it is complete, because clusters outlive runs.
    Cluster {
        /// kind's name of it.
        name: String,
    },
    /// A Kubernetes namespace with its content.
    #[serde(rename_all = "camelCase")]
    KubeNamespace {
        /// Plumbline's own kubeconfig file.
        kubeconfig: PathBuf,
        /// Namespace.
        name: String,
    },
    /// Any other Kubernetes object.
    #[serde(rename_all = "camelCase")]
    KubeObject {
        /// Plumbline's own kubeconfig file.
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
    /// A change inside a container that stays after the run, such as a node of a kept cluster.
    Inside {
        /// The container's name.
        container: String,
        /// A shell command that undoes the change. Running it twice does no harm.
        undo: String,
        /// The description of the change.
        what: String,
        /// The lease that is held exclusively during the change.
        lease: String,
    },
    /// An incomplete chain change: the old chain must be restored.
    Chain {
        /// The cluster's name.
        cluster: String,
        /// The file with the old configuration and the access to the cluster.
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
    /// The first line: the run of the journal.
    Begin {
        /// Run id.
        run: String,
        /// The kind of run, for example `run` or `up`.
        what: String,
        /// The owner's process id.
        pid: u32,
        /// The owner's start time in clock ticks since boot.
        start: u64,
    },
    /// The effect will be made now.
    Intent {
        /// Number within the journal, from 1.
        id: u64,
        /// The effect.
        effect: Effect,
    },
    /// The effect no longer exists, or was handed over.
    Done {
        /// The intent's number.
        id: u64,
    },
}
