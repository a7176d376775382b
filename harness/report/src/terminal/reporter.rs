//! The reader of events that writes to the terminal.

use super::progress::{Progress, step_line};
use crate::escape;
use crate::paint::{BAD, DOUBT, ERROR, GOOD, paint};
use crate::reporter::Reporter;
use crate::text::{self, Transcripts};
use anstream::AutoStream;
use plumbline_core::event::Event;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use std::io::{IsTerminal, Stdout, Write};

/// Whether colours are shown; `write_global` sets it for every stream of the process.
pub use anstream::ColorChoice as ColourChoice;

/// How the terminal reader behaves.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// When transcripts are shown.
    pub transcripts: Transcripts,
    /// Results go to standard error too, because standard output carries JSON.
    pub results_to_stderr: bool,
    /// Plain lines even on a terminal (CI set, or requested).
    pub plain: bool,
}

impl Settings {
    /// Settings from the environment: plain lines in CI (`CI` set and not `false`).
    pub fn from_environment(transcripts: Transcripts) -> Self {
        let ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty() && v != "false");
        Self { transcripts, results_to_stderr: false, plain: ci }
    }
}

/// Counts of verdicts by kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    pass: usize,
    fail: usize,
    skip: usize,
    error: usize,
}

/// Writes results to standard output and progress to standard error.
pub struct Terminal {
    out: AutoStream<Stdout>,
    progress: Progress,
    settings: Settings,
    tally: Tally,
    lane_errors: Vec<(String, String, usize)>,
}

impl Terminal {
    /// A reader on this process's own streams.
    pub fn new(settings: Settings) -> Self {
        let live = !settings.plain && std::io::stderr().is_terminal();
        Self {
            out: AutoStream::auto(std::io::stdout()),
            progress: Progress::new(AutoStream::auto(std::io::stderr()), live),
            settings,
            tally: Tally::default(),
            lane_errors: Vec::new(),
        }
    }

    fn print_result(&mut self, text: &str) -> anyhow::Result<()> {
        if self.settings.results_to_stderr {
            self.progress.line(text.trim_end())?;
            return Ok(());
        }
        let out = &mut self.out;
        self.progress.aside(|| {
            out.write_all(text.as_bytes())?;
            out.flush()
        })?;
        Ok(())
    }

    fn finished(&mut self, report: &ScenarioReport) -> anyhow::Result<()> {
        match &report.verdict {
            Verdict::Pass { .. } => self.tally.pass += 1,
            Verdict::Fail { .. } => self.tally.fail += 1,
            Verdict::Skip { .. } => self.tally.skip += 1,
            Verdict::Error { stage, cause, .. } => {
                self.tally.error += 1;
                // A lane that can't be opened is one cause for errors of all its scenarios: it is printed whole only once.
                let same = |(lane, why, _): &(String, String, usize)| *lane == report.lane && why == cause;
                if let Some(known) = self.lane_errors.iter_mut().find(|k| same(k)) {
                    known.2 += 1;
                    let line = format!(
                        "{} at {}   {}   lane {}   for the same cause as above\n",
                        paint(ERROR, "ERROR"),
                        escape::line(stage),
                        escape::line(&report.scenario),
                        report.lane
                    );
                    return self.print_result(&line);
                }
                self.lane_errors.push((report.lane.clone(), cause.clone(), 1));
            }
        }
        self.print_result(&text::scenario(report, self.settings.transcripts))
    }

    fn summary(&mut self, millis: u64, left_behind: &[String]) -> anyhow::Result<()> {
        let t = self.tally;
        let part = |n: usize, style, word: &str| {
            if n > 0 { paint(style, &format!("{n} {word}")) } else { format!("{n} {word}") }
        };
        let line = format!(
            "{}, {}, {}, {} in {}\n",
            part(t.pass, GOOD, "passed"),
            part(t.fail, BAD, "failed"),
            part(t.error, ERROR, "errors"),
            part(t.skip, DOUBT, "skipped"),
            text::duration(millis.saturating_mul(1000))
        );
        self.print_result(&line)?;
        if !left_behind.is_empty() {
            let mut text = format!("{} (plumbline gc takes it away):\n", paint(BAD, "left behind"));
            for item in left_behind {
                text.push_str(&format!("  {}\n", escape::line(item)));
            }
            self.print_result(&text)?;
        }
        Ok(())
    }
}

impl Reporter for Terminal {
    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::RunStarted { .. } => {}
            Event::StepStarted { scope, step } => {
                let label = format!("{scope}: {step}");
                self.progress.begins(&label, &label, true)?;
            }
            Event::StepNote { scope, step, note } => {
                let label = format!("{scope}: {step}");
                self.progress.note(&label, &label, note)?;
            }
            Event::StepFinished { scope, step, millis, error, unchanged } => {
                let line = step_line(scope, step, *millis, error.as_deref(), *unchanged);
                self.progress.ends(&format!("{scope}: {step}"), Some(&line))?;
            }
            Event::Chosen { what, reason } => {
                let line = format!("chosen: {}, because {}", escape::line(what), escape::line(reason));
                self.progress.line(&line)?;
            }
            Event::ScenarioStarted { scenario, lane } => {
                let label = format!("{scenario} on {lane}");
                self.progress.begins(&label, &label, false)?;
            }
            Event::ScenarioPhase { scenario, lane, phase } => {
                let label = format!("{scenario} on {lane}");
                // Commands that enter a kept scenario stay on the screen. Other phases are for the live line.
                if phase.starts_with("kept") {
                    self.progress.line(&format!("{label}: {}", escape::line(phase)))?;
                } else {
                    self.progress.note(&label, &label, phase)?;
                }
            }
            Event::ScenarioFinished { report } => {
                self.progress.ends(&format!("{} on {}", report.scenario, report.lane), None)?;
                self.finished(report)?;
            }
            Event::RunFinished { millis, left_behind } => {
                self.progress.clear();
                self.summary(*millis, left_behind)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.progress.clear();
        self.out.flush()?;
        Ok(())
    }
}
