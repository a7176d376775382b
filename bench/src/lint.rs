//! `plumbline lint` on 2,000 networks, beside `chainsaw lint` on as many files.
//!
//! chainsaw checks one file of its own kind in each process, so it gets its own test file 2,000 times.

use crate::args::Args;
use crate::runner::Bench;
use crate::samples::{Samples, ms};
use crate::table;
use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use plumbline::session;
use plumbline_lanes::context::EventSink;
use plumbline_testbed::exec::Cmd;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many files.
const FILES: usize = 2_000;
/// Rounds of Plumbline.
const ROUNDS: usize = 10;
/// The budgets of a release build.
const BUDGET_MS: f64 = 1000.0;
const BUDGET_MIB: f64 = 60.0;
/// A release build from nothing takes minutes, and so do 2,000 processes.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// Measures and prints.
///
/// # Errors
/// When the lint, or chainsaw, does not pass.
pub async fn measure_lint(args: &Args, bench: &Bench) -> anyhow::Result<()> {
    let plumbline = build_release(bench).await?;
    let folder = tempfile::tempdir().context("make a folder for networks")?;
    for index in 0..FILES {
        std::fs::write(folder.path().join(format!("{index:04}.yaml")), network(index))?;
    }
    let (mut times, mut memory) = (Samples::default(), Samples::default());
    for round in 0..ROUNDS {
        anyhow::ensure!(!bench.cancel.is_cancelled(), "interrupted");
        table::print_progress(&format!("lint, round {}", round + 1));
        let (took, peak) = measure_once(&plumbline, folder.path()).await?;
        times.push(ms(took));
        memory.push(peak);
    }
    table::print_heading(&format!("lint of {FILES} networks, {ROUNDS} rounds, release build"));
    table::print_times("plumbline lint FOLDER", &times, Some(BUDGET_MS));
    let (median, budget) = (memory.median(), if memory.median() <= BUDGET_MIB { "met" } else { "missed" });
    table::print_line(&format!("peak memory: {median:.1} MiB   budget: {BUDGET_MIB} MiB, {budget}"));
    match measure_chainsaw(args, bench).await {
        Ok(took) => {
            let mut chainsaw = Samples::default();
            chainsaw.push(ms(took));
            table::print_times(&format!("chainsaw lint test, {FILES} processes"), &chainsaw, None);
            table::print_line(&format!("plumbline to chainsaw: {:.4}", times.median() / chainsaw.median()));
        }
        Err(cause) => table::print_line(&format!("chainsaw: NOT MEASURED, {cause:#}")),
    }
    Ok(())
}

async fn build_release(bench: &Bench) -> anyhow::Result<PathBuf> {
    table::print_progress("plumbline: release build (minutes if nothing is built)");
    let build = ["build", "--release", "--locked", "--quiet", "-p", "plumbline"];
    Cmd::new("cargo").args(build).dir(&bench.root).deadline(DEADLINE).run_ok().await?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| bench.root.join("target"), PathBuf::from);
    Ok(target.join("release/plumbline"))
}

/// One lint: its duration, and its peak memory in MiB, which this program reads as the child of another process of itself.
async fn measure_once(plumbline: &Path, folder: &Path) -> anyhow::Result<(Duration, f64)> {
    let own = std::env::current_exe().context("find this program")?;
    let paths = [plumbline, folder].map(|path| path.display().to_string());
    let done = Cmd::new(own).arg("--measure-lint").args(paths).deadline(DEADLINE).run_ok().await?;
    let mut numbers = done.stdout.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(micros)), Some(Ok(kib))) = (numbers.next(), numbers.next()) else {
        anyhow::bail!("expected a time and a size, found {:?}", done.stdout);
    };
    Ok((Duration::from_micros(micros), kib as f64 / 1024.0))
}

/// The other process: runs one lint and prints microseconds and KiB.
///
/// # Errors
/// When the lint does not pass.
pub async fn print_measurement(arguments: &[PathBuf]) -> anyhow::Result<()> {
    let [plumbline, folder] = arguments else { anyhow::bail!("expected a program and a folder") };
    let lint = Cmd::new(plumbline).arg("lint").arg(folder.display().to_string()).deadline(DEADLINE);
    let begun = Instant::now();
    lint.run_ok().await?;
    let took = begun.elapsed();
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).context("read the child's use of memory")?.max_rss();
    table::print_line(&format!("{} {peak}", took.as_micros()));
    Ok(())
}

async fn measure_chainsaw(args: &Args, bench: &Bench) -> anyhow::Result<Duration> {
    anyhow::ensure!(args.chainsaw, "skipped by --no-chainsaw");
    table::print_progress("chainsaw: taken from the cache, or built (minutes)");
    let images = session::images(&bench.root, &(Arc::new(|_| {}) as EventSink))?;
    let chainsaw = images.program("rivals", "chainsaw").await?;
    table::print_progress(&format!("chainsaw lint, {FILES} times"));
    let script = "i=0; while [ $i -lt $1 ]; do \"$2\" lint test --file \"$3\" >/dev/null || exit 1; i=$((i + 1)); done";
    let test = bench.root.join("bench/rival/chainsaw-test.yaml");
    let arguments = [FILES.to_string(), chainsaw.display().to_string(), test.display().to_string()];
    let cmd = Cmd::new("sh").args(["-c", script, "sh"]).args(arguments).deadline(DEADLINE);
    Ok(cmd.run_ok().await?.duration)
}

/// A network of its own range, in one of four shapes.
fn network(index: usize) -> String {
    let (high, low) = (index / 256, index % 256);
    let subnet = format!("10.{high}.{low}");
    let config = match index % 4 {
        0 => format!(
            r#"{{"cniVersion":"1.0.0","type":"macvlan","master":"eth1.{vlan}","mode":"bridge",
      "ipam":{{"type":"host-local","ranges":[[{{"subnet":"{subnet}.0/24","gateway":"{subnet}.1"}}]]}}}}"#,
            vlan = index % 4000 + 1
        ),
        1 => format!(
            r#"{{"cniVersion":"0.3.1","type":"bridge","bridge":"br{index}","ipam":{{"type":"host-local","subnet":"{subnet}.0/24"}}}}"#
        ),
        2 => format!(
            r#"{{"cniVersion":"1.0.0","plugins":[{{"type":"macvlan","master":"eth2","ipam":{{"type":"static",
      "addresses":[{{"address":"{subnet}.10/24"}}]}}}},{{"type":"route-override","addroutes":[{{"dst":"192.0.2.0/24","gw":"{subnet}.1"}}]}}]}}"#
        ),
        _ => format!(
            r#"{{"cniVersion":"0.4.0","plugins":[{{"type":"ipvlan","master":"eth3","mode":"l2",
      "ipam":{{"type":"whereabouts","range":"{subnet}.0/24"}}}},{{"type":"tuning","sysctl":{{"net.core.somaxconn":"500"}}}}]}}"#
        ),
    };
    let mut text = String::from("apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\n");
    let _ = write!(text, "metadata:\n  name: net-{index}\nspec:\n  config: |-\n      {config}\n");
    text
}
