//! Ten seed scenarios in sequence on a warm cluster, until all is gone: Plumbline, a shell script with kubectl, chainsaw.

use crate::args::Args;
use crate::library::Library;
use crate::objects;
use crate::runner::Bench;
use crate::samples::{Samples, ms};
use crate::table;
use anyhow::Context as _;
use plumbline::session;
use plumbline_core::verdict::ScenarioReport;
use plumbline_lanes::cluster::record::{self, Home};
use plumbline_lanes::context::EventSink;
use plumbline_testbed::exec::Cmd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LANE: &str = "kind";

/// How many scenarios.
const TEN: usize = 10;

/// What is wanted: Plumbline's time as a share of the shell's.
const OF_SHELL: f64 = 0.5;

/// A rival waits up to two minutes for one pod and as long for its end; ten take 76 s on a quiet machine.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// Where the rivals' files are, below the root of the checkout.
const RIVAL: &str = "bench/rival";

/// Measures and prints.
///
/// # Errors
/// When one of them can't run or does not come to its verdict.
pub async fn row(args: &Args, bench: &Bench, report: &ScenarioReport) -> anyhow::Result<()> {
    if args.ten_rounds == 0 {
        return Ok(());
    }
    let rivals = Rivals::ready(bench, report, args.chainsaw).await?;
    let (mut plumbline, mut shell, mut chainsaw) = <(Samples, Samples, Samples)>::default();
    for round in 0..usize::from(args.ten_rounds) {
        for place in 0..3 {
            anyhow::ensure!(!bench.cancel.is_cancelled(), "interrupted");
            match (round + place) % 3 {
                0 => {
                    table::aside(&format!("ten in a row, round {}: plumbline", round + 1));
                    let (_, took) = bench.run(LANE, TEN, true).await?;
                    plumbline.push(ms(took));
                }
                1 => shell.push(ms(rivals.shell(bench, round).await?)),
                _ => {
                    if let Ok(program) = &rivals.chainsaw {
                        chainsaw.push(ms(rivals.chainsaw(bench, program, round).await?));
                    }
                }
            }
        }
    }
    table::head(&format!("kind, {TEN} scenarios in sequence until all is gone, {} rounds in turns", args.ten_rounds));
    table::times(
        "plumbline: one run -j 1, the check of the warm cluster included; a pod goes while the next comes",
        &plumbline,
        None,
    );
    table::times("shell: kubectl apply, wait, exec, jq, delete --wait", &shell, None);
    match &rivals.chainsaw {
        Ok(_) => table::times("chainsaw, one test at a time", &chainsaw, None),
        Err(why) => table::line(&format!("chainsaw: NOT MEASURED, {why}")),
    }
    table::head("ratios, each of one round");
    table::ratios("plumbline to shell", &plumbline.to(&shell), Some(OF_SHELL));
    if rivals.chainsaw.is_ok() {
        table::ratios("plumbline to chainsaw", &plumbline.to(&chainsaw), None);
    }
    Ok(())
}

/// The rivals with what they are given.
struct Rivals {
    folder: tempfile::TempDir,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    pod: String,
    scripts: PathBuf,
    chainsaw: Result<PathBuf, String>,
}

impl Rivals {
    async fn ready(bench: &Bench, report: &ScenarioReport, chainsaw: bool) -> anyhow::Result<Self> {
        for program in ["bash", "jq"] {
            which::which(program).with_context(|| format!("the rivals need {program}"))?;
        }
        let pod = bench.plan.pods.first().context("the scenario has no pod")?.name.clone();
        let profile = report.profile.as_deref().context("the lane reported no profile")?;
        let cluster = record::all()?.into_iter().find(|cluster| cluster.complete && cluster.profile == profile);
        let cluster = cluster.with_context(|| format!("no cluster of profile {profile} is up"))?;
        let images = session::images(&bench.root, &(Arc::new(|_| {}) as EventSink))?;
        let kubectl = match which::which("kubectl") {
            Ok(found) => found,
            Err(_) => images.program("node", "kubectl").await.context("the rivals need kubectl")?,
        };
        let chainsaw = match chainsaw {
            false => Err("left out by --no-chainsaw".to_owned()),
            true => {
                table::aside("chainsaw: from the cache, or built (minutes)");
                images.program("rivals", "chainsaw").await.map_err(|error| format!("it can't be built: {error}"))
            }
        };
        let folder = tempfile::tempdir().context("make a folder for the rivals")?;
        let text = objects::file(&bench.plan, &report.adaptations)?;
        let scripts = bench.root.join(RIVAL);
        std::fs::write(folder.path().join("objects.yaml"), &text)?;
        for n in 0..TEN {
            let test = folder.path().join(format!("tests/{n}"));
            std::fs::create_dir_all(&test)?;
            std::fs::write(test.join("objects.yaml"), &text)?;
            std::fs::copy(scripts.join("chainsaw-test.yaml"), test.join("chainsaw-test.yaml"))?;
        }
        let kubeconfig = Home::of(&cluster.name)?.kubeconfig();
        Ok(Self { folder, kubectl, kubeconfig, pod, scripts, chainsaw })
    }

    /// Ten by the script.
    async fn shell(&self, bench: &Bench, round: usize) -> anyhow::Result<Duration> {
        table::aside(&format!("ten in a row, round {}: shell", round + 1));
        let name = |n| format!("plumbline-bench-{}-{round}-{n}", std::process::id());
        let cmd = self
            .with(self.scripts.join("kind.sh"))
            .arg(self.kubectl.display().to_string())
            .arg(self.folder.path().join("objects.yaml").display().to_string())
            .arg(&self.pod)
            .args((0..TEN).map(name));
        self.timed(bench, cmd, |said| said.lines().filter(|line| line.starts_with("verdict ")).count()).await
    }

    /// Ten by chainsaw.
    async fn chainsaw(&self, bench: &Bench, program: &Path, round: usize) -> anyhow::Result<Duration> {
        table::aside(&format!("ten in a row, round {}: chainsaw", round + 1));
        let cmd = self
            .with(program.to_owned())
            .args(["test", "--parallel", "1", "--no-color", "--test-dir"])
            .arg(self.folder.path().join("tests").display().to_string())
            .env("KUBECTL", self.kubectl.display().to_string())
            .env("CHECK", self.scripts.join("check.sh").display().to_string());
        // Its summary: `- Passed  tests 10`.
        let passed = |said: &str| {
            let line = said.lines().find(|line| line.trim().starts_with("- Passed"));
            line.and_then(|line| line.split_whitespace().next_back()?.parse().ok()).unwrap_or(0)
        };
        self.timed(bench, cmd, passed).await
    }

    fn with(&self, program: PathBuf) -> Cmd {
        Cmd::new(program.display().to_string())
            .env("KUBECONFIG", self.kubeconfig.display().to_string())
            .deadline(DEADLINE)
    }

    /// Runs it while the lane is held open, so that no test damages its cluster; the opening is not counted.
    async fn timed(&self, bench: &Bench, cmd: Cmd, verdicts: impl Fn(&str) -> usize) -> anyhow::Result<Duration> {
        let held = Library::open(bench, LANE).await?;
        let start = Instant::now();
        let done = cmd.run_ok().await;
        let took = start.elapsed();
        held.close().await?;
        let done = done?;
        let came = verdicts(&done.stdout);
        anyhow::ensure!(came == TEN, "`{}` came to {came} verdicts, not {TEN}:\n{}", done.line(), done.stdout);
        Ok(took)
    }
}
