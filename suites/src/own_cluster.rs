//! A cluster of one test: with its own profile, name and state folder. The test can kill it
//! at any moment without an effect on other clusters, and compare everything on its node before and after.

use crate::command::{plumbline, program};
use crate::context;
use crate::host::wait_for;
use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumbline_cluster::node::KIND_LABEL;
use plumbline_cluster::undo;
use plumbline_testbed::engine::{Container, Engine};
use plumbline_testbed::exec::{Cmd, Session, Transcript};
use plumbline_testbed::wait;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// What is compared on the node: links, network namespaces, cached results of CNI and Multus, the kubelet's pods, mounts of
/// namespaces, processes of pods, and the objects of Kubernetes.
const LOOK: &str = "for d in /sys/class/net /run/netns /var/lib/cni/results /var/lib/cni/multus /var/lib/kubelet/pods \
    /opt/plumbline /opt/cni/bin; do for f in $(ls -A $d 2>/dev/null); do echo $d/$f; done; done; \
    awk '/netns/ { print \"mount\", $5 }' /proc/self/mountinfo; \
    kubectl --kubeconfig /etc/kubernetes/admin.conf get namespaces,net-attach-def,pods -A -o name";

/// The cluster's profile and folders, and the engine.
pub struct OwnCluster {
    dir: tempfile::TempDir,
    profile: String,
    engine: Engine,
}

impl OwnCluster {
    /// A checkout of its own with a profile like the one in use, under another name. Nothing is brought up yet.
    ///
    /// # Errors
    /// When no engine answers, the lane could not be opened, or files can't be copied.
    pub async fn new() -> anyhow::Result<Self> {
        Self::with_edits(&profile_in_use()?, &[]).await
    }

    /// The same with a profile like the named one. Each first text of `edits` in its file is replaced by the second.
    ///
    /// # Errors
    /// As [`OwnCluster::new`], and when the file does not contain a text.
    pub async fn with_edits(like: &str, edits: &[(&str, &str)]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let profile = format!("own-{}", std::process::id());
        let (from, to) = (plumbline::root::find()?, dir.path().join("root"));
        for folder in ["root", "state", "tmp"] {
            std::fs::create_dir(dir.path().join(folder))?;
        }
        for entry in std::fs::read_dir(&from)? {
            let entry = entry?;
            if entry.file_name() != "target" && entry.file_name() != ".git" {
                copy(&entry.path(), &to).await?;
            }
        }
        let clusters = to.join("clusters");
        std::fs::rename(clusters.join(like), clusters.join(&profile))?;
        let file = clusters.join(&profile).join("profile.yaml");
        let mut text = std::fs::read_to_string(&file)?;
        let name = (format!("name: {like}\n"), format!("name: {profile}\n"));
        for (from, to) in edits.iter().copied().chain([(name.0.as_str(), name.1.as_str())]) {
            anyhow::ensure!(text.contains(from), "{}: no {from:?} in it", file.display());
            text = text.replacen(from, to, 1);
        }
        std::fs::write(&file, text)?;
        Ok(Self { dir, profile, engine: Engine::connect().await? })
    }

    /// The folder of its own checkout, as reports name files below it.
    pub fn root(&self) -> String {
        self.at("root")
    }

    fn at(&self, folder: &str) -> String {
        self.dir.path().join(folder).display().to_string()
    }

    fn env(&self) -> [(String, String); 3] {
        [("PLUMBLINE_ROOT", "root"), ("PLUMBLINE_STATE", "state"), ("TMPDIR", "tmp")]
            .map(|(name, folder)| (name.to_owned(), self.at(folder)))
    }

    /// Starts the command with its profile, to be killed later.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(&self, args: &[&str]) -> anyhow::Result<Running> {
        let mut argv = vec![program()?.display().to_string()];
        argv.extend(args.iter().map(|arg| (*arg).to_owned()));
        argv.extend(["--profile".to_owned(), self.profile.clone()]);
        let session = Session::start(&argv, &self.env())?;
        Ok(Running { session })
    }

    /// Runs the command to its end, as it is written.
    ///
    /// # Errors
    /// When it can't be started.
    pub async fn run(&self, args: &[&str]) -> anyhow::Result<Transcript> {
        let mut command = plumbline(args)?.deadline(Duration::from_secs(900));
        for (name, value) in self.env() {
            command = command.env(name, value);
        }
        Ok(command.run().await?)
    }

    /// Brings it up to the end.
    ///
    /// # Errors
    /// When that fails, with its output.
    pub async fn up(&self) -> anyhow::Result<()> {
        let up = self.run(&["up", "--yes", "--profile", &self.profile]).await?;
        anyhow::ensure!(up.ok(), "{} {}", up.stdout, up.stderr);
        Ok(())
    }

    /// Runs `plumbline gc`, and gives its output.
    ///
    /// # Errors
    /// When a leak could not be removed.
    pub async fn gc(&self) -> anyhow::Result<String> {
        let gc = self.run(&["gc"]).await?;
        anyhow::ensure!(gc.ok(), "{} {}", gc.stdout, gc.stderr);
        Ok(gc.stdout)
    }

    /// Its containers.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn containers(&self) -> anyhow::Result<Vec<Container>> {
        let all = self.engine.containers(&[KIND_LABEL.to_owned()]).await?;
        let ours = format!("plumbline-{}-", self.profile);
        Ok(all.into_iter().filter(|container| container.name.starts_with(&ours)).collect())
    }

    /// What is compared on its node, each a line.
    ///
    /// # Errors
    /// When the command can't run on the node.
    pub async fn read_state(&self) -> anyhow::Result<BTreeSet<String>> {
        let output = self.on_node(LOOK).await?;
        // Names of the engine's own veth pairs on a node differ each time. A pod's link has another form on every node.
        Ok(output.lines().map(str::to_owned).collect())
    }

    /// Runs a line of shell on its first node, and gives what it printed.
    ///
    /// # Errors
    /// When there is no node, or it ends with another code than 0.
    pub async fn on_node(&self, line: &str) -> anyhow::Result<String> {
        let node = self.containers().await?.first().map(|c| c.name.clone()).context("there is no node")?;
        let argv = ["sh", "-c", line];
        let output = self.engine.exec_ok("look", &node, &argv, None, Duration::from_secs(30)).await?;
        Ok(output.stdout)
    }

    /// Waits until its node looks as `before`.
    ///
    /// # Errors
    /// When it does not in time, with the added and the missing lines.
    pub async fn wait_for_state(&self, before: &BTreeSet<String>) -> anyhow::Result<()> {
        let settled = wait_for("the node to look as before", async || Ok(self.read_state().await? == *before)).await;
        let Err(late) = settled else { return Ok(()) };
        let now = self.read_state().await?;
        let more: Vec<_> = now.difference(before).collect();
        let less: Vec<_> = before.difference(&now).collect();
        Err(late.context(format!("left behind: {more:?}; gone: {less:?}")))
    }

    /// What is in its state folder's `clusters` and in its folder for temporary files.
    pub fn files(&self) -> Vec<String> {
        let names = |folder: String| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
        let all = names(self.at("state/clusters")).chain(names(self.at("tmp")));
        all.map(|path| path.display().to_string()).collect()
    }

    /// Whether a journal of a run on this cluster holds this text.
    pub fn journals_hold(&self, text: &str) -> bool {
        let runs = std::fs::read_dir(self.at("state/runs")).into_iter().flatten().flatten();
        let mut journals = runs.filter_map(|run| std::fs::read_to_string(run.path().join("journal.jsonl")).ok());
        journals.any(|journal| journal.contains(text))
    }

    /// The profile's name, which is in the cluster's.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Removes everything of the cluster, also leaks that `gc` should have removed.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn end(self) -> anyhow::Result<()> {
        for container in self.containers().await? {
            if let Some(cluster) = container.labels.get(KIND_LABEL) {
                undo::remove_cluster(&self.engine, cluster).await?;
            }
        }
        Ok(())
    }
}

/// A running command.
pub struct Running {
    session: Session,
}

impl Running {
    /// Waits for a moment that may be shorter than a check. As soon as a journal contains `text`, the command is stopped
    /// while `seen` checks, and runs for a tenth of a second in between. At the end it stays stopped.
    ///
    /// # Errors
    /// When the command ended, or five minutes passed, before that moment; and errors of the check.
    pub async fn stop_at(
        &self,
        own: &OwnCluster,
        text: &str,
        what: &str,
        seen: impl AsyncFn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        wait_for(what, async || Ok(own.journals_hold(text) || self.ended())).await?;
        wait_for(what, async || {
            anyhow::ensure!(!self.ended(), "it ended before it was seen in the middle of {what}");
            self.signal(Signal::SIGSTOP)?;
            if seen().await? {
                return Ok(true);
            }
            self.signal(Signal::SIGCONT)?;
            wait::pause(Duration::from_millis(100)).await;
            Ok(false)
        })
        .await
    }

    fn pid(&self) -> anyhow::Result<i32> {
        Ok(i32::try_from(self.session.pid().context("it ended already")?)?)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill(Pid::from_raw(self.pid()?), signal)?)
    }

    /// Whether the process has ended for any reason (`proc_pid_stat(5)`: state Z until it is waited for).
    fn ended(&self) -> bool {
        let stat = self.pid().and_then(|pid| Ok(std::fs::read_to_string(format!("/proc/{pid}/stat"))?));
        stat.map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
    }

    /// Kills the command, but not its child processes.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn kill(self) -> anyhow::Result<()> {
        self.signal(Signal::SIGKILL)?;
        let (code, output) = self.session.end(Duration::from_secs(10)).await;
        anyhow::ensure!(code.is_none(), "it ended by itself with {code:?} before it was killed: {output}");
        Ok(())
    }
}

/// The profile of this run's cluster: from the set-up script, else from `PLUMBLINE_PROFILE`, else hermetic.
///
/// # Errors
/// When the lane could not be opened.
pub fn profile_in_use() -> anyhow::Result<String> {
    let known = context::read_probe("kind")?;
    let profile = known.and_then(|known| known.profile).or_else(|| std::env::var("PLUMBLINE_PROFILE").ok());
    Ok(profile.unwrap_or_else(|| "hermetic".to_owned()))
}

async fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let paths = [from.display().to_string(), to.display().to_string()];
    Cmd::new("cp").arg("-a").args(paths).run_ok().await?;
    Ok(())
}
