//! The netns lane against the shell: the seed scenario, by three in turns.

use crate::args::Args;
use crate::command;
use crate::library::{Library, Ran};
use crate::runner::Bench;
use crate::samples::{Samples, ms};
use crate::settle::Settle;
use crate::shell::Rival;
use crate::table;
use std::path::PathBuf;
use std::time::Duration;

const LANE: &str = "netns";

/// What is wanted: the time over the plugins' own, in milliseconds, and the scenario's time as a share of the shell's.
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
/// When one of the three can't run, or does not come to its verdict.
pub async fn row(args: &Args, bench: &Bench) -> anyhow::Result<()> {
    let plumbline = command::find(args.plumbline.as_deref())?;
    let rival = Rival::ready(bench).await?;
    let library = Library::open(bench, LANE).await?;
    let mut settle = Settle::start(&bench.root)?;
    let measured = rounds(args, bench, &Contestants { rival, library: &library, plumbline }, &mut settle).await;
    settle.end().await?;
    library.close().await?;
    print(args, bench, &measured?);
    Ok(())
}

/// Who takes turns.
struct Contestants<'a> {
    rival: Rival,
    library: &'a Library,
    plumbline: PathBuf,
}

async fn rounds(args: &Args, bench: &Bench, all: &Contestants<'_>, settle: &mut Settle) -> anyhow::Result<Times> {
    let Contestants { rival, library, plumbline } = all;
    // One turn of each is not counted: what is read for the first time comes from the disk.
    table::aside("netns: a first turn of each, not counted");
    rival.run().await?;
    library.run(bench).await?;
    command::run(plumbline, bench, LANE).await?;

    let mut times = Times::default();
    for round in 0..usize::from(args.rounds) {
        anyhow::ensure!(!bench.cancel.is_cancelled(), "interrupted");
        table::aside(&format!("netns: round {} of {}", round + 1, args.rounds));
        // They take turns to begin, so that none always follows the same one.
        for place in 0..3 {
            settle.wait().await?;
            match (round + place) % 3 {
                0 => {
                    let ran = rival.run().await?;
                    times.shell_verdict.push(ms(ran.verdict));
                    times.shell.push(ms(ran.total));
                }
                1 => times.add(&library.run(bench).await?),
                _ => {
                    let (report, took) = command::run(plumbline, bench, LANE).await?;
                    let (verdict, plugins) = (us(report.timing.verdict_us), us(report.timing.plugins_us));
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
    fn add(&mut self, ran: &Ran) {
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

fn print(args: &Args, bench: &Bench, times: &Times) {
    table::head(&format!("netns, {}, {} rounds in turns", bench.plan.name, args.rounds));
    table::times("shell: to the verdict", &times.shell_verdict, None);
    table::times("shell: to its end, all deleted", &times.shell, None);
    table::times("scenario on an open lane: the plugins' own times", &times.plugins, None);
    table::times("scenario on an open lane: to the verdict", &times.verdict, None);
    table::times("scenario on an open lane: over the plugins' own times", &times.own, Some(OWN_MS));
    table::times("  of it the node, its bridges, the talk", &times.stage, None);
    table::times("  of it the observation", &times.observe, None);
    table::times("  of it the judge", &times.judge, None);
    table::times("scenario on an open lane: to its end, all deleted", &times.scenario, None);
    table::times("plumbline run: the plugins' own times", &times.command_plugins, None);
    table::times("plumbline run: its scenario, to the verdict", &times.command_verdict, None);
    table::times("plumbline run: its scenario, over the plugins' own times", &times.command_own, Some(OWN_MS));
    table::times("plumbline run: the whole command", &times.command, None);
    table::head("ratios, each of one round");
    table::ratios("scenario to shell, both to the verdict", &times.verdict.to(&times.shell_verdict), Some(OF_SHELL));
    table::ratios("scenario to shell, both with all deleted", &times.scenario.to(&times.shell), Some(OF_SHELL));
    table::ratios("plumbline run to shell, each its whole process", &times.command.to(&times.shell), None);
    table::line(&format!(
        "Each attaches lo, the default network on eth0 and the {} networks of the pod, by the same plugin binaries. The \
         plugins' own times\nare those of every ADD. Plumbline checked {} facts, the shell links, addresses and routes of \
         eth1 and eth2, and the default route.",
        bench.plan.pods.iter().map(|pod| pod.attachments.len()).sum::<usize>(),
        times.checked,
    ));
}

fn us(micros: u64) -> f64 {
    ms(Duration::from_micros(micros))
}
