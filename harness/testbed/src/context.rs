//! The context of every lane: options, images, the event stream, the run's journal.

use crate::images::Images;
use crate::journal::Run;
use plumbline_core::event::Event;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// When the objects of a scenario stay after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Always clean up.
    #[default]
    Never,
    /// Keep the objects of scenarios with the verdict fail or error.
    OnFailure,
    /// Keep everything.
    Always,
}

/// The user's options for lanes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--plugin NAME=PATH`: binaries that replace Plumbline's.
    pub plugins: BTreeMap<String, PathBuf>,
    /// `--cni-path DIR`: folders that are searched before Plumbline's.
    pub cni_path: Vec<PathBuf>,
    /// `--profile NAME`.
    pub profile: Option<String>,
    /// `--keep`.
    pub keep: Keep,
    /// `--verbatim`: keep written namespaces.
    pub verbatim: bool,
    /// Whether software may be installed on this host (`--yes`, a yes on a terminal, `CI=true`).
    pub may_install: bool,
    /// Skips the proof of Multus. Only for tests of foreign clusters.
    pub skip_multus_check: bool,
    /// Deadline of one plugin call; none means 60 s.
    pub plugin_deadline: Option<Duration>,
    /// Deadline for a pod to become Ready; none means 120 s, as the seed document has it.
    pub ready_deadline: Option<Duration>,
}

impl Options {
    /// The user's binary for a plugin, from `--plugin` or a folder of `--cni-path`; none if Plumbline's is used.
    pub fn replacement(&self, plugin: &str) -> Option<PathBuf> {
        let in_folder = || self.cni_path.iter().map(|folder| folder.join(plugin)).find(|path| path.is_file());
        self.plugins.get(plugin).cloned().or_else(in_folder)
    }
}

/// The receiver of events.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// The context of every lane.
#[derive(Clone)]
pub struct Context {
    /// The folder with `clusters/`, `images/` and `suites/`.
    pub root: PathBuf,
    /// Options.
    pub options: Arc<Options>,
    /// Images, tools and plugins, built into the cache when missing.
    pub images: Arc<Images>,
    /// The run: id, journal, evidence folder.
    pub run: Arc<Run>,
    /// Event stream.
    pub events: EventSink,
    /// Cancelled on Ctrl-C and SIGTERM.
    pub cancel: CancellationToken,
}
