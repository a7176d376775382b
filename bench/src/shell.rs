//! The scenario by `rival/netns.sh`, with the same plugin binaries and the same configurations.

use crate::runner::Bench;
use anyhow::Context as _;
use plumbline::session;
use plumbline_lanes::netns::binaries::PLUGINS_VARIABLE;
use plumbline_lanes::netns::networks::{Configured, NodeNetworks, named};
use plumbline_testbed::exec::Cmd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where the script is, below the root of the checkout.
const SCRIPT: &str = "bench/rival/netns.sh";

/// What the script says when all its checks held.
const VERDICT: &str = "verdict";

/// The script with what it is given.
pub struct Rival {
    argv: Vec<String>,
    /// Holds the configurations that the script is given.
    _networks: tempfile::TempDir,
}

/// One run of it.
pub struct Ran {
    /// From its start to the line that says that all checks held.
    pub verdict: Duration,
    /// From its start to its end.
    pub total: Duration,
}

impl Rival {
    /// Writes the configurations of the plan into a folder; finds programs and plugins.
    ///
    /// # Errors
    /// When a program is not there, or cnitool or the plugins can't be had.
    pub async fn ready(bench: &Bench) -> anyhow::Result<Self> {
        for program in ["unshare", "bash", "mount", "ip", "jq"] {
            which::which(program).with_context(|| format!("the rival needs {program}"))?;
        }
        let images = session::images(&bench.root, &(Arc::new(|_| {}) as plumbline_lanes::context::EventSink))?;
        let cnitool = images.tool("cnitool").await?;
        // The variable that puts other plugins under the lane puts them here too.
        let plugins = match std::env::var_os(PLUGINS_VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => images.plugins_dir().await?,
        };
        let networks = networks(bench)?;
        let script = bench.root.join(SCRIPT);
        let paths = [&script, &cnitool, &plugins, networks.path()].map(|path: &Path| path.display().to_string());
        let argv = isolated().into_iter().chain(paths).collect();
        Ok(Self { argv, _networks: networks })
    }

    /// Runs it once.
    ///
    /// # Errors
    /// When a check does not hold, or it fails otherwise.
    pub async fn run(&self) -> anyhow::Result<Ran> {
        let said: Arc<Mutex<Option<Instant>>> = Arc::default();
        let hear = said.clone();
        let cmd = Cmd::new(&self.argv[0]).args(self.argv[1..].iter().cloned()).on_line(move |line| {
            if line.trim() == VERDICT {
                *hear.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
        });
        let start = Instant::now();
        let done = cmd.run_ok().await?;
        let said = *said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = said.with_context(|| format!("`{}` came to no verdict", done.line()))?;
        Ok(Ran { verdict: said - start, total: done.duration })
    }
}

/// The command line that gives a script network and mount namespaces of its own; anybody else than root needs a user
/// namespace for that.
#[must_use]
pub fn isolated() -> Vec<String> {
    let user = ["--user", "--map-root-user"].iter().filter(|_| !nix::unistd::geteuid().is_root());
    ["unshare", "--net", "--mount"].iter().chain(user).map(ToString::to_string).collect()
}

/// The configurations that the netns lane would run, one file each.
fn networks(bench: &Bench) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir().context("make a folder for configurations")?;
    let node = NodeNetworks::read(&bench.root)?;
    let mut all: Vec<Configured> = vec![node.loopback.clone(), node.default(1)?];
    for pod in &bench.plan.pods {
        for asked in &pod.attachments {
            let found = named(&bench.plan, pod, asked)?;
            all.push(found.map_err(|missing| anyhow::anyhow!("network {}: {}", missing.network, missing.words))?);
        }
    }
    for (number, one) in all.iter().enumerate() {
        let path = folder.path().join(format!("{number}.conflist"));
        std::fs::write(&path, &one.config).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(folder)
}
