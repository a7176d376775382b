//! Progress on standard error while something runs.

use crate::escape;
use crate::text::duration;
use anstream::AutoStream;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::io::{Stderr, Write};
use std::time::{Duration, Instant};

/// The shortest interval between two progress lines of a step in plain mode, so that a CI log stays readable and
/// still shows progress.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// Progress on standard error.
pub(super) struct Progress {
    err: AutoStream<Stderr>,
    live: Option<MultiProgress>,
    bars: HashMap<String, ProgressBar>,
    noted: HashMap<String, Instant>,
}

impl Progress {
    /// `live`: whether standard error is a terminal on which lines may be redrawn.
    pub(super) fn new(err: AutoStream<Stderr>, live: bool) -> Self {
        Self {
            err,
            live: live.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10))),
            bars: HashMap::new(),
            noted: HashMap::new(),
        }
    }

    /// A step begins. `key` names it until [`Progress::ends`].
    pub(super) fn begins(&mut self, key: &str, label: &str, plain: bool) -> std::io::Result<()> {
        let label = escape::line(label);
        match &self.live {
            Some(live) => {
                let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner())
                    .tick_chars("|/-\\ ");
                let bar = live.add(ProgressBar::new_spinner().with_style(style).with_message(label));
                bar.enable_steady_tick(Duration::from_millis(200));
                self.bars.insert(key.to_owned(), bar);
                Ok(())
            }
            None => {
                self.noted.insert(key.to_owned(), Instant::now());
                if plain { writeln!(self.err, "{label} ...") } else { Ok(()) }
            }
        }
    }

    /// Progress of a step that has begun and not ended.
    pub(super) fn note(&mut self, key: &str, label: &str, note: &str) -> std::io::Result<()> {
        let text = format!("{}: {}", escape::line(label), escape::line(note));
        if let Some(bar) = self.bars.get(key) {
            bar.set_message(text);
            return Ok(());
        }
        let now = Instant::now();
        let Some(last) = self.noted.get(key).copied() else { return Ok(()) };
        if now.duration_since(last) >= NOTE_EVERY {
            self.noted.insert(key.to_owned(), now);
            writeln!(self.err, "{text}")?;
        }
        Ok(())
    }

    /// A step ended. `line` stays on the screen. None leaves no line.
    pub(super) fn ends(&mut self, key: &str, line: Option<&str>) -> std::io::Result<()> {
        if let Some(bar) = self.bars.remove(key) {
            bar.finish_and_clear();
        }
        self.noted.remove(key);
        line.map_or(Ok(()), |line| self.line(line))
    }

    /// A line that stays, on standard error.
    pub(super) fn line(&mut self, line: &str) -> std::io::Result<()> {
        let err = &mut self.err;
        match &self.live {
            Some(live) => live.suspend(|| writeln!(err, "{line}")),
            None => writeln!(err, "{line}"),
        }
    }

    /// Runs `write` while nothing is being redrawn, so that standard output on the same terminal stays whole.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.live {
            Some(live) => live.suspend(write),
            None => write(),
        }
    }

    /// Removes every live line.
    pub(super) fn clear(&mut self) {
        for (_, bar) in self.bars.drain() {
            bar.finish_and_clear();
        }
    }
}

/// `cluster hermetic: install Multus  12.3 s`.
pub(super) fn step_line(scope: &str, step: &str, millis: u64, error: Option<&str>, unchanged: bool) -> String {
    let label = format!("{}: {}", escape::line(scope), escape::line(step));
    let time = duration(millis.saturating_mul(1000));
    match error {
        Some(error) => format!("{label}  failed after {time}: {}", escape::line(error)),
        None if unchanged => format!("{label}  {time}, nothing to do"),
        None => format!("{label}  {time}"),
    }
}
