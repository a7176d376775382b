//! What every lane is given: options, the caches, the event stream, the run's journal.

use crate::images::Images;
use crate::journal::Run;
use plumbline_core::event::Event;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// When to leave a scenario's things in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Always clean up.
    #[default]
    Never,
    /// Keep what failed or broke.
    OnFailure,
    /// Keep everything.
    Always,
}

/// What the user asked for, as far as lanes need it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--plugin NAME=PATH`: binaries put in the place of ours.
    pub plugins: BTreeMap<String, PathBuf>,
    /// `--cni-path DIR`: folders searched before ours.
    pub cni_path: Vec<PathBuf>,
    /// `--profile NAME`.
    pub profile: Option<String>,
    /// `--keep`.
    pub keep: Keep,
    /// `--verbatim`: keep written namespaces.
    pub verbatim: bool,
    /// Whether software may be installed on this host (`--yes`, a yes on a terminal, `CI=true`).
    pub may_install: bool,
    /// Off only for tests of foreign clusters: whether Multus is proven to be in force before any pod.
    pub skip_multus_check: bool,
    /// Deadline of one plugin call; none means 60 s.
    pub plugin_deadline: Option<Duration>,
    /// Deadline for a pod to become Ready; none means 120 s, as the seed document has it.
    pub ready_deadline: Option<Duration>,
}

impl Options {
    /// The user's binary for a plugin, by `--plugin` or from a folder of `--cni-path`; none where ours is used.
    pub fn replacement(&self, plugin: &str) -> Option<PathBuf> {
        let in_folder = || self.cni_path.iter().map(|folder| folder.join(plugin)).find(|path| path.is_file());
        self.plugins.get(plugin).cloned().or_else(in_folder)
    }
}

/// Where events go.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// What every lane is given.
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
