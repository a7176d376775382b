//! The scenario by `rival/netns.sh`, with the same plugin binaries and the same configurations.

use crate::runner::Bench;
use anyhow::Context as _;
use plumbline::session;
use plumbline_lanes::netns::binaries::PLUGINS_VARIABLE;
use plumbline_lanes::netns::networks::{NetworkConfig, NodeNetworks, find_network};
use plumbline_testbed::exec::Cmd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The script's path in the checkout.
const SCRIPT: &str = "bench/rival/netns.sh";

/// The line that the script prints when all its checks pass.
const VERDICT: &str = "verdict";

/// The script and its arguments.
pub struct ShellScript {
    argv: Vec<String>,
    /// The folder of the network configurations.
    _networks: tempfile::TempDir,
}

/// The times of one run.
pub struct ShellTimes {
    /// From its start to the line of the verdict.
    pub verdict: Duration,
    /// From its start to its end.
    pub total: Duration,
}

impl ShellScript {
    /// Writes the configurations of the plan into a folder; finds programs and plugins.
    ///
    /// # Errors
    /// When a program is missing, or cnitool or the plugins cannot be built.
    pub async fn prepare(bench: &Bench) -> anyhow::Result<Self> {
        for program in ["unshare", "bash", "mount", "ip", "jq"] {
            which::which(program).with_context(|| format!("the shell script needs {program}"))?;
        }
        let images = session::images(&bench.root, &(Arc::new(|_| {}) as plumbline_lanes::context::EventSink))?;
        let cnitool = images.tool("cnitool").await?;
        // The variable that selects other plugins for the lane selects them here too.
        let plugins = match std::env::var_os(PLUGINS_VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => images.plugins_dir().await?,
        };
        let networks = write_configurations(bench)?;
        let script = bench.root.join(SCRIPT);
        let paths = [&script, &cnitool, &plugins, networks.path()].map(|path: &Path| path.display().to_string());
        let argv = isolation_argv().into_iter().chain(paths).collect();
        Ok(Self { argv, _networks: networks })
    }

    /// Runs it once.
    ///
    /// # Errors
    /// When a check or another step fails.
    pub async fn run(&self) -> anyhow::Result<ShellTimes> {
        let verdict: Arc<Mutex<Option<Instant>>> = Arc::default();
        let set_verdict = verdict.clone();
        let cmd = Cmd::new(&self.argv[0]).args(self.argv[1..].iter().cloned()).on_line(move |line| {
            if line.trim() == VERDICT {
                *set_verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
        });
        let start = Instant::now();
        let done = cmd.run_ok().await?;
        let verdict = *verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = verdict.with_context(|| format!("`{}` printed no verdict", done.line()))?;
        Ok(ShellTimes { verdict: verdict - start, total: done.duration })
    }
}

/// The command line that runs a script in new network and mount namespaces. An ordinary user also needs a user namespace.
pub fn isolation_argv() -> Vec<String> {
    let user = ["--user", "--map-root-user"].iter().filter(|_| !nix::unistd::geteuid().is_root());
    ["unshare", "--net", "--mount"].iter().chain(user).map(ToString::to_string).collect()
}

/// Writes the configurations that the netns lane runs, one file each.
fn write_configurations(bench: &Bench) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir().context("make a folder for configurations")?;
    let node = NodeNetworks::read(&bench.root)?;
    let mut all: Vec<NetworkConfig> = vec![node.loopback.clone(), node.default(1)?];
    for pod in &bench.plan.pods {
        for requested in &pod.attachments {
            all.push(find_network(&bench.plan, pod, requested)?);
        }
    }
    for (number, one) in all.iter().enumerate() {
        let path = folder.path().join(format!("{number}.conflist"));
        std::fs::write(&path, &one.config).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(folder)
}
