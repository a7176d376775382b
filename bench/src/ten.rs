//! Ten seed scenarios in sequence on a running cluster, until everything is removed: Plumbline, a shell script with kubectl,
//! chainsaw.

use crate::args::Args;
use crate::library::Library;
use crate::runner::Bench;
use crate::samples::{Samples, ms};
use crate::{objects, table};
use anyhow::Context as _;
use plumbline::session;
use plumbline_cluster::record::{self, Home};
use plumbline_core::verdict::ScenarioReport;
use plumbline_lanes::context::EventSink;
use plumbline_testbed::exec::Cmd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LANE: &str = "kind";

/// How many scenarios.
const TEN: usize = 10;

/// The budget: Plumbline's time as a share of the shell script's.
const OF_SHELL: f64 = 0.5;

/// A script waits up to two minutes for a pod and as long for its end; ten take 76 s on an idle machine.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// The folder of the other tools' files in the checkout.
const RIVAL: &str = "bench/rival";

/// Measures and prints.
///
/// # Errors
/// When one of them cannot run or does not pass.
pub async fn measure_ten(args: &Args, bench: &Bench, report: &ScenarioReport) -> anyhow::Result<()> {
    if args.ten_rounds == 0 {
        return Ok(());
    }
    let tools = OtherTools::prepare(bench, report, args.chainsaw).await?;
    let (mut plumbline, mut shell, mut chainsaw) = <(Samples, Samples, Samples)>::default();
    for round in 0..usize::from(args.ten_rounds) {
        for position in 0..3 {
            anyhow::ensure!(!bench.cancel.is_cancelled(), "interrupted");
            match (round + position) % 3 {
                0 => {
                    table::print_progress(&format!("ten in a row, round {}: plumbline", round + 1));
                    let (_, took) = bench.run_scenarios(LANE, TEN, true).await?;
                    plumbline.push(ms(took));
                }
                1 => shell.push(ms(tools.run_shell(bench, round).await?)),
                _ => {
                    if let Ok(program) = &tools.chainsaw {
                        chainsaw.push(ms(tools.run_chainsaw(bench, program, round).await?));
                    }
                }
            }
        }
    }
    table::print_heading(&format!(
        "kind, {TEN} scenarios in sequence until everything is removed, {} rounds in turns",
        args.ten_rounds
    ));
    table::print_times(
        "plumbline: one run -j 1, with the check of the cluster; a tear-down overlaps the next scenario",
        &plumbline,
        None,
    );
    table::print_times("shell: kubectl apply, wait, exec, jq, delete --wait", &shell, None);
    match &tools.chainsaw {
        Ok(_) => table::print_times("chainsaw, one test at a time", &chainsaw, None),
        Err(cause) => table::print_line(&format!("chainsaw: NOT MEASURED, {cause}")),
    }
    table::print_heading("ratios, each of one round");
    table::print_ratios("plumbline to shell", &plumbline.ratio_to(&shell), Some(OF_SHELL));
    if tools.chainsaw.is_ok() {
        table::print_ratios("plumbline to chainsaw", &plumbline.ratio_to(&chainsaw), None);
    }
    Ok(())
}

/// The other tools and their arguments.
struct OtherTools {
    folder: tempfile::TempDir,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    pod: String,
    scripts: PathBuf,
    chainsaw: Result<PathBuf, String>,
}

impl OtherTools {
    async fn prepare(bench: &Bench, report: &ScenarioReport, chainsaw: bool) -> anyhow::Result<Self> {
        for program in ["bash", "jq"] {
            which::which(program).with_context(|| format!("the shell script needs {program}"))?;
        }
        let pod = bench.plan.pods.first().context("the scenario has no pod")?.name.clone();
        let profile = report.profile.as_deref().context("the report has no profile")?;
        let cluster =
            record::list_records()?.into_iter().find(|cluster| cluster.complete && cluster.profile == profile);
        let cluster = cluster.with_context(|| format!("no cluster of profile {profile} is running"))?;
        let images = session::images(&bench.root, &(Arc::new(|_| {}) as EventSink))?;
        let kubectl = match which::which("kubectl") {
            Ok(found) => found,
            Err(_) => images.program("node", "kubectl").await.context("the shell script needs kubectl")?,
        };
        let chainsaw = match chainsaw {
            false => Err("skipped by --no-chainsaw".to_owned()),
            true => {
                table::print_progress("chainsaw: taken from the cache, or built (minutes)");
                images.program("rivals", "chainsaw").await.map_err(|error| format!("build: {error}"))
            }
        };
        let folder = tempfile::tempdir().context("make a folder for the other tools")?;
        let text = objects::build_manifests(&bench.plan, &report.adaptations)?;
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

    /// Runs ten by the script.
    async fn run_shell(&self, bench: &Bench, round: usize) -> anyhow::Result<Duration> {
        table::print_progress(&format!("ten in a row, round {}: shell", round + 1));
        let name = |n| format!("plumbline-bench-{}-{round}-{n}", std::process::id());
        let cmd = self
            .command(self.scripts.join("kind.sh"))
            .arg(self.kubectl.display().to_string())
            .arg(self.folder.path().join("objects.yaml").display().to_string())
            .arg(&self.pod)
            .args((0..TEN).map(name));
        self.measure(bench, cmd, |stdout| stdout.lines().filter(|line| line.starts_with("verdict ")).count()).await
    }

    /// Runs ten by chainsaw.
    async fn run_chainsaw(&self, bench: &Bench, program: &Path, round: usize) -> anyhow::Result<Duration> {
        table::print_progress(&format!("ten in a row, round {}: chainsaw", round + 1));
        let cmd = self
            .command(program.to_owned())
            .args(["test", "--parallel", "1", "--no-color", "--test-dir"])
            .arg(self.folder.path().join("tests").display().to_string())
            .env("KUBECTL", self.kubectl.display().to_string())
            .env("CHECK", self.scripts.join("check.sh").display().to_string());
        // A line of its summary: `- Passed  tests 10`.
        let passed = |stdout: &str| {
            let line = stdout.lines().find(|line| line.trim().starts_with("- Passed"));
            line.and_then(|line| line.split_whitespace().next_back()?.parse().ok()).unwrap_or(0)
        };
        self.measure(bench, cmd, passed).await
    }

    fn command(&self, program: PathBuf) -> Cmd {
        Cmd::new(program.display().to_string())
            .env("KUBECONFIG", self.kubeconfig.display().to_string())
            .deadline(DEADLINE)
    }

    /// Runs a command while the lane is open, so that no other run changes the cluster. The opening is not counted.
    async fn measure(&self, bench: &Bench, cmd: Cmd, verdicts: impl Fn(&str) -> usize) -> anyhow::Result<Duration> {
        let lane = Library::open(bench, LANE).await?;
        let start = Instant::now();
        let done = cmd.run_ok().await;
        let took = start.elapsed();
        lane.close().await?;
        let done = done?;
        let count = verdicts(&done.stdout);
        anyhow::ensure!(count == TEN, "`{}`: expected {TEN} verdicts, found {count}:\n{}", done.line(), done.stdout);
        Ok(took)
    }
}
