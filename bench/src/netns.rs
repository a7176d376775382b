//! The netns lane against a shell script: the seed scenario by three tools in turns.

use crate::args::Args;
use crate::cleanup_wait::CleanupWait;
use crate::command::{find_command, run_command};
use crate::library::{Library, ScenarioTimes};
use crate::runner::Bench;
use crate::samples::{Samples, ms};
use crate::shell::ShellScript;
use crate::table;
use std::path::PathBuf;
use std::time::Duration;

const LANE: &str = "netns";

/// The budgets: the time over the plugins' own, in milliseconds, and the scenario's time as a share of the shell's.
const OWN_MS: f64 = 25.0;
const OF_SHELL: f64 = 0.65;

/// All measured times.
#[derive(Default)]
struct Times {
    shell_verdict: Samples,
    shell: Samples,
    plugins: Samples,
    own: Samples,
    verdict: Samples,
    scenario: Samples,
    stage: Samples,
    observe: Samples,
    judge: Samples,
    command_plugins: Samples,
    command_own: Samples,
    command_verdict: Samples,
    command: Samples,
    checked: usize,
}

/// Measures and prints.
///
/// # Errors
/// When one of the three cannot run, or does not pass.
pub async fn measure_netns(args: &Args, bench: &Bench) -> anyhow::Result<()> {
    let plumbline = find_command(args.plumbline.as_deref())?;
    let shell = ShellScript::prepare(bench).await?;
    let library = Library::open(bench, LANE).await?;
    let mut cleanup = CleanupWait::start(&bench.root)?;
    let measured = measure_rounds(args, bench, &Tools { shell, library: &library, plumbline }, &mut cleanup).await;
    cleanup.end().await?;
    library.close().await?;
    print_results(args, bench, &measured?);
    Ok(())
}

/// The tools that take turns.
struct Tools<'a> {
    shell: ShellScript,
    library: &'a Library,
    plumbline: PathBuf,
}

async fn measure_rounds(
    args: &Args,
    bench: &Bench,
    tools: &Tools<'_>,
    cleanup: &mut CleanupWait,
) -> anyhow::Result<Times> {
    let Tools { shell, library, plumbline } = tools;
    // The first turn of each is not counted: its files come from the disk.
    table::print_progress("netns: a first turn of each, not counted");
    shell.run().await?;
    library.run(bench).await?;
    run_command(plumbline, bench, LANE).await?;

    let mut times = Times::default();
    for round in 0..usize::from(args.rounds) {
        anyhow::ensure!(!bench.cancel.is_cancelled(), "interrupted");
        table::print_progress(&format!("netns: round {} of {}", round + 1, args.rounds));
        // The first tool changes in each round, so that no tool always follows the same one.
        for position in 0..3 {
            cleanup.wait().await?;
            match (round + position) % 3 {
                0 => {
                    let ran = shell.run().await?;
                    times.shell_verdict.push(ms(ran.verdict));
                    times.shell.push(ms(ran.total));
                }
                1 => times.add(&library.run(bench).await?),
                _ => {
                    let (report, took) = run_command(plumbline, bench, LANE).await?;
                    let (verdict, plugins) =
                        (micros_to_ms(report.timing.verdict_us), micros_to_ms(report.timing.plugins_us));
                    times.command_plugins.push(plugins);
                    times.command_own.push(verdict - plugins);
                    times.command_verdict.push(verdict);
                    times.command.push(ms(took));
                }
            }
        }
    }
    Ok(times)
}

impl Times {
    fn add(&mut self, ran: &ScenarioTimes) {
        self.plugins.push(ms(ran.plugins));
        self.verdict.push(ms(ran.verdict));
        self.own.push(ms(ran.verdict.saturating_sub(ran.plugins)));
        self.stage.push(ms(ran.staged.saturating_sub(ran.plugins)));
        self.observe.push(ms(ran.observed));
        self.judge.push(ms(ran.verdict.saturating_sub(ran.staged + ran.observed)));
        self.scenario.push(ms(ran.total));
        self.checked = ran.checked;
    }
}

fn print_results(args: &Args, bench: &Bench, times: &Times) {
    table::print_heading(&format!("netns, {}, {} rounds in turns", bench.plan.name, args.rounds));
    table::print_times("shell: to the verdict", &times.shell_verdict, None);
    table::print_times("shell: to its end, all deleted", &times.shell, None);
    table::print_times("scenario on an open lane: the plugins' own times", &times.plugins, None);
    table::print_times("scenario on an open lane: to the verdict", &times.verdict, None);
    table::print_times("scenario on an open lane: over the plugins' own times", &times.own, Some(OWN_MS));
    table::print_times("  of this: node, bridges, protocol", &times.stage, None);
    table::print_times("  of this: observation", &times.observe, None);
    table::print_times("  of this: judge", &times.judge, None);
    table::print_times("scenario on an open lane: to its end, all deleted", &times.scenario, None);
    table::print_times("plumbline run: the plugins' own times", &times.command_plugins, None);
    table::print_times("plumbline run: its scenario, to the verdict", &times.command_verdict, None);
    table::print_times("plumbline run: its scenario, over the plugins' own times", &times.command_own, Some(OWN_MS));
    table::print_times("plumbline run: the whole command", &times.command, None);
    table::print_heading("ratios, each of one round");
    table::print_ratios(
        "scenario to shell, both to the verdict",
        &times.verdict.ratio_to(&times.shell_verdict),
        Some(OF_SHELL),
    );
    table::print_ratios(
        "scenario to shell, both with all deleted",
        &times.scenario.ratio_to(&times.shell),
        Some(OF_SHELL),
    );
    table::print_ratios("plumbline run to shell, each its whole process", &times.command.ratio_to(&times.shell), None);
    table::print_line(&format!(
        "Each attaches lo, the default network on eth0 and the {} networks of the pod, by the same plugin binaries. The \
         plugins' own times\nare those of every ADD. Plumbline checks {} facts. The shell script checks links, addresses and \
         routes of eth1 and eth2, and the default route.",
        bench.plan.pods.iter().map(|pod| pod.attachments.len()).sum::<usize>(),
        times.checked,
    ));
}

fn micros_to_ms(micros: u64) -> f64 {
    ms(Duration::from_micros(micros))
}
