//! The netns lane against the shell: the seed scenario, by three in turns.

use crate::args::Args;
use crate::command;
use crate::runner::{Bench, Measured};
use crate::samples::Samples;
use crate::shell::Rival;
use crate::table;
use plumbline_core::verdict::Verdict;
use std::time::Duration;

const LANE: &str = "netns";

/// What the issue wants: the runner's own part, in milliseconds, and the scenario's time as a share of the shell's.
const OWN_MS: f64 = 25.0;
const OF_SHELL: f64 = 0.65;

/// Everything measured.
#[derive(Default)]
struct Times {
    shell_verdict: Samples,
    shell: Samples,
    plugins: Samples,
    own: Samples,
    verdict: Samples,
    scenario: Samples,
    create: Samples,
    observe: Samples,
    judge: Samples,
    run: Samples,
    command_verdict: Samples,
    command: Samples,
}

/// Measures and prints.
///
/// # Errors
/// When one of the three can't run, or does not come to its verdict.
pub async fn row(args: &Args, bench: &Bench) -> anyhow::Result<()> {
    let rival = Rival::ready(bench).await?;
    let plumbline = command::find(args.plumbline.as_deref())?;
    // One turn of each is not counted: what is read for the first time comes from the disk.
    table::aside("netns: a first turn of each, not counted");
    rival.run().await?;
    let (first, _) = bench.run(LANE, 1).await?;
    command::run(&plumbline, bench, LANE).await?;

    let mut times = Times::default();
    for round in 0..usize::from(args.rounds) {
        table::aside(&format!("netns: round {} of {}", round + 1, args.rounds));
        // Each one begins in turn, so that nobody always follows the same one.
        for place in 0..3 {
            match (round + place) % 3 {
                0 => {
                    let ran = rival.run().await?;
                    times.shell_verdict.push(ms(ran.verdict));
                    times.shell.push(ms(ran.total));
                }
                1 => {
                    let (measured, run) = bench.run(LANE, 1).await?;
                    times.add(&measured[0], run);
                }
                _ => {
                    let (report, took) = command::run(&plumbline, bench, LANE).await?;
                    times.command_verdict.push(us(report.timing.verdict_us));
                    times.command.push(ms(took));
                }
            }
        }
    }
    print(args, bench, &first[0], &times);
    Ok(())
}

impl Times {
    fn add(&mut self, measured: &Measured, run: Duration) {
        let timing = &measured.report.timing;
        self.plugins.push(us(timing.plugins_us));
        self.verdict.push(us(timing.verdict_us));
        self.own.push(us(timing.verdict_us.saturating_sub(timing.plugins_us)));
        self.scenario.push(us(timing.total_us));
        self.create.push(ms(measured.phase("create")).max(us(timing.plugins_us)) - us(timing.plugins_us));
        self.observe.push(ms(measured.phase("observe")));
        self.judge.push(ms(measured.phase("judge")));
        self.run.push(ms(run));
    }
}

fn print(args: &Args, bench: &Bench, first: &Measured, times: &Times) {
    let checked = match &first.report.verdict {
        Verdict::Pass { checked, .. } => *checked,
        _ => 0,
    };
    table::head(&format!("netns, {}, {} rounds in turns", bench.plan.name, args.rounds));
    table::times("shell: start to verdict", &times.shell_verdict, None);
    table::times("shell: start to end, all deleted", &times.shell, None);
    table::times("plugins' own times, ADD of all, the default network's too", &times.plugins, None);
    table::times("runner: scenario, start to verdict", &times.verdict, None);
    table::times("runner: scenario, over the plugins' own times", &times.own, Some(OWN_MS));
    table::times("  of it the node, its bridges and the talk", &times.create, None);
    table::times("  of it the observation", &times.observe, None);
    table::times("  of it the judge, evidence written", &times.judge, None);
    table::times("runner: scenario, start to end, all deleted", &times.scenario, None);
    table::times("runner: whole run, the lane's opening too", &times.run, None);
    table::times("command: its scenario, start to verdict", &times.command_verdict, None);
    table::times("command: start of the process to its end", &times.command, None);
    table::head("ratios, each of one round");
    table::ratios("scenario to shell, both with deleting", &times.scenario.to(&times.shell), Some(OF_SHELL));
    table::ratios("scenario to shell, both to the verdict", &times.verdict.to(&times.shell_verdict), Some(OF_SHELL));
    table::ratios("whole run to shell", &times.run.to(&times.shell), None);
    table::ratios("command to shell", &times.command.to(&times.shell), None);
    table::line(&format!(
        "Each: lo, the default network on eth0 and the {} attachments of the pod, the same plugin binaries. Plumbline \
         checked {checked} facts,\nthe shell links, addresses and routes of the same interfaces and the default route.",
        bench.plan.pods.iter().map(|pod| pod.attachments.len()).sum::<usize>(),
    ));
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn us(micros: u64) -> f64 {
    ms(Duration::from_micros(micros))
}
