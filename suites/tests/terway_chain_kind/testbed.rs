//! The cluster for tests of chain changes, and the commands under test.

use anyhow::{Context as _, ensure};
use libtest_mimic::Failed;
use plumbline::{registry, session};
use plumbline_cluster as cluster;
use plumbline_suites::chain::{CHAIN_LEASE, set_chain};
use plumbline_suites::command::plumbline;
use plumbline_suites::context;
use plumbline_terway::chain::handle::ClusterHandle;
use plumbline_terway::chain::saved::list_copies;
use plumbline_terway::chain::state;
use plumbline_testbed::engine::Engine;
use plumbline_testbed::exec::{Cmd, ProcessEnd, Transcript};
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::{self, Deadline, Look};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

pub const PROFILE: &str = "terway";

/// The cluster during a test: no other test of chain changes uses it, and its ConfigMap is saved.
pub struct ChainTestbed {
    pub engine: Engine,
    reach: ClusterHandle,
    pub control_plane: String,
    pub kubeconfig: PathBuf,
    pub before: BTreeMap<String, String>,
    /// Backup ConfigMaps of other runs, which the tests ignore.
    pub others: Vec<String>,
    pub dir: tempfile::TempDir,
}

pub fn run_with_testbed(test: impl AsyncFn(&ChainTestbed) -> anyhow::Result<()>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let tested: anyhow::Result<()> = runtime.block_on(async {
        // Each command under test takes its own lease of the cluster.
        let _alone = Lease::take(CHAIN_LEASE, Kind::Exclusive, Deadline::after(Duration::from_secs(900))).await?;
        let cx = context::open(PROFILE, "chain test")?;
        let cluster = cluster::lock_exclusively(cluster::up(&cx, registry::PROVIDERS).await?).await?;
        set_chain(&cx, &cluster, None).await?;
        // A failed test may have left a change open. Nothing is restored here.
        let reach = ClusterHandle::of_cluster(&cluster);
        for kept in list_copies(&reach).await?.iter().filter(|kept| kept.applied_at.is_none()) {
            kept.forget(&reach).await?;
        }
        let (engine, kubeconfig) = (cluster.engine().clone(), cluster.kubeconfig.clone());
        let control_plane = format!("{}-control-plane", cluster.name);
        drop(cluster);
        let left = session::close(&cx).await;
        ensure!(left.is_empty(), "left behind: {left:?}");
        let dir = tempfile::tempdir()?;
        let (before, others) = (BTreeMap::new(), Vec::new());
        let mut testbed = ChainTestbed { engine, reach, control_plane, kubeconfig, before, others, dir };
        testbed.before = testbed.read_config_map().await?;
        testbed.others = testbed.list_copies().await?;
        let tested = test(&testbed).await;
        // Restores the first chain for the next test, whatever this test left.
        while !testbed.list_copies().await?.is_empty() && chain(&["restore"]).await?.ending == ProcessEnd::Code(0) {}
        tested?;
        ensure!(testbed.read_config_map().await? == testbed.before, "the ConfigMap is not as it was");
        ensure!(testbed.list_copies().await?.is_empty(), "copies are left");
        Ok(())
    });
    tested.map_err(|error| plumbline_testbed::error::causes(error.as_ref()).into())
}

/// `plumbline chain` on the cluster of the profile.
pub fn command(args: &[&str]) -> anyhow::Result<Cmd> {
    let mut all = vec!["chain"];
    all.extend(args);
    all.extend(["--profile", PROFILE]);
    Ok(plumbline(&all)?.deadline(Duration::from_secs(300)))
}

pub async fn chain(args: &[&str]) -> anyhow::Result<Transcript> {
    Ok(command(args)?.run().await?)
}

pub fn code(of: &Transcript) -> anyhow::Result<i32> {
    match of.ending {
        ProcessEnd::Code(code) => Ok(code),
        _ => anyhow::bail!("it did not end by itself: {of:?}"),
    }
}

impl ChainTestbed {
    /// Runs kubectl on the control plane, in kube-system.
    pub async fn kubectl(&self, words: &[&str]) -> anyhow::Result<String> {
        let argv = [&["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "-n", "kube-system"], words].concat();
        let done = self.engine.exec_ok("kubectl", &self.control_plane, &argv, None, Duration::from_secs(60)).await?;
        Ok(done.stdout)
    }

    /// `plumbline chain` on the same cluster as a user's own: by the current context of a kubeconfig.
    pub async fn run_with_context(&self, kubeconfig: &Path, args: &[&str]) -> anyhow::Result<Transcript> {
        let config = std::fs::read_to_string(kubeconfig)?;
        let context = config.lines().find_map(|line| line.strip_prefix("current-context: ")).context("a context")?;
        let all = [&["chain"], args, &["--context", context]].concat();
        let command = plumbline(&all)?.env("KUBECONFIG", kubeconfig.display().to_string());
        Ok(command.deadline(Duration::from_secs(300)).run().await?)
    }

    /// All keys of eni-config, byte for byte.
    pub async fn read_config_map(&self) -> anyhow::Result<BTreeMap<String, String>> {
        Ok(state::read_config_map(&self.reach).await?.data.unwrap_or_default())
    }

    /// The names of the backup ConfigMaps of these tests.
    pub async fn list_copies(&self) -> anyhow::Result<Vec<String>> {
        let names = list_copies(&self.reach).await?.into_iter().map(|kept| kept.copy());
        Ok(names.filter(|name| !self.others.contains(name)).collect())
    }

    pub async fn read_generation(&self) -> anyhow::Result<Option<i64>> {
        Ok(state::read_daemon_set(&self.reach).await?.metadata.generation)
    }

    /// The number of canary pods of changes that are not being deleted.
    pub async fn count_canaries(&self) -> anyhow::Result<usize> {
        let words = ["get", "pods", "-l", "plumbline.dev/role=chain-canary", "-o", "json"];
        let all: Value = serde_json::from_str(&self.kubectl(&words).await?)?;
        let pods = all["items"].as_array().context("a list")?;
        Ok(pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).count())
    }

    /// Writes a chain without Plumbline, or removes it.
    pub async fn write_chain(&self, chain: Option<&str>) -> anyhow::Result<()> {
        let patch = json!({ "data": { "10-terway.conflist": chain } }).to_string();
        self.kubectl(&["patch", "configmap", "eni-config", "--type", "merge", "-p", &patch]).await.map(drop)
    }

    /// Writes a file with the cluster's own entry, then these plugins.
    pub fn write_file(&self, name: &str, behind: &Value) -> anyhow::Result<String> {
        let entry: Value = serde_json::from_str(self.before.get("10-terway.conf").context("an entry")?)?;
        let mut plugins = vec![entry];
        plugins.extend(behind.as_array().context("a list")?.iter().cloned());
        let list = serde_json::to_string_pretty(&json!({ "plugins": plugins }))?;
        let lines: String = list.lines().map(|line| format!("    {line}\n")).collect();
        let text =
            format!("kind: ConfigMap\nmetadata: {{ name: eni-config }}\ndata:\n  10-terway.conflist: |\n{lines}");
        let path = self.dir.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// Writes the document's chain for a node's private address.
    pub fn write_portmap_file(&self) -> anyhow::Result<String> {
        let portmap = json!([{ "type": "portmap", "capabilities": { "portMappings": true }, "externalSetMarkChain": "KUBE-MARK-MASQ" }]);
        self.write_file("portmap.yaml", &portmap)
    }

    /// Starts an apply that stops after a step, and waits until it stops.
    pub async fn start_and_stop_after(&self, step: &str) -> anyhow::Result<StartedApply> {
        let program = Cmd::new(env!("CARGO_BIN_EXE_chain-apply-stopped"))
            .args([step, &self.write_portmap_file()?, PROFILE])
            .dir(plumbline::root::find()?)
            .deadline(Duration::from_secs(300));
        Self::start(program, &format!("stopped after {step}")).await
    }

    /// Starts an apply by the command, and waits until it prints `line`.
    pub async fn start_until(&self, line: &str) -> anyhow::Result<StartedApply> {
        Self::start(command(&["apply", &self.write_portmap_file()?])?, line).await
    }

    async fn start(cmd: Cmd, line: &str) -> anyhow::Result<StartedApply> {
        let (pid, output) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(String::new())));
        let (known, lines) = (Arc::clone(&pid), Arc::clone(&output));
        let cmd = cmd
            .on_start(move |pid| _ = known.set(pid))
            .on_line(move |line| lines.lock().unwrap_or_else(PoisonError::into_inner).push_str(&format!("{line}\n")));
        let run = tokio::spawn(cmd.run());
        let look = || async {
            let output = output.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Ok(if output.contains(line) { Look::There(()) } else { Look::NotYet(output) })
        };
        let (deadline, every) = (Deadline::after(Duration::from_secs(120)), Duration::from_millis(50));
        wait::until("chain", line, deadline, every, look).await?;
        Ok(StartedApply { pid: *pid.get().context("a pid")?, run })
    }
}

/// A running or stopped apply.
pub struct StartedApply {
    pub pid: u32,
    pub run: tokio::task::JoinHandle<Result<Transcript, plumbline_testbed::exec::ExecError>>,
}

impl StartedApply {
    /// Sends it a signal, and awaits its end.
    pub async fn send(self, signal: &str) -> anyhow::Result<Transcript> {
        Cmd::new("kill").args([signal.to_owned(), self.pid.to_string()]).run_ok().await?;
        Ok(self.run.await??)
    }
}
