//! What is printed: results to standard output, progress to standard error.

use crate::samples::Samples;
use std::io::Write as _;

/// Width of the first column.
const NAMES: usize = 58;

/// A line of the results.
pub fn line(text: &str) {
    // Whoever closed standard output does not want to know more.
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// A line of progress.
pub fn aside(text: &str) {
    // As above.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// The head of a table of times or of ratios.
pub fn head(title: &str) {
    line(&format!("\n{title:NAMES$} {:>9} {:>9} {:>9}", "median", "least", "most"));
}

/// A row of times, in milliseconds; `limit` is what the median is to be at most.
pub fn times(name: &str, samples: &Samples, limit: Option<f64>) {
    let (least, most) = samples.spread();
    let median = samples.median();
    let word = limit.map(|limit| format!("   wanted: at most {limit} ms, {}", word(median, limit))).unwrap_or_default();
    line(&format!("{name:NAMES$} {:>9} {:>9} {:>9}{word}", ms(median), ms(least), ms(most)));
}

/// A row of ratios.
pub fn ratios(name: &str, samples: &Samples, limit: Option<f64>) {
    let (least, most) = samples.spread();
    let median = samples.median();
    let word = limit.map(|limit| format!("   wanted: at most {limit}, {}", word(median, limit))).unwrap_or_default();
    line(&format!("{name:NAMES$} {median:>9.2} {least:>9.2} {most:>9.2}{word}"));
}

fn ms(value: f64) -> String {
    format!("{value:.1} ms")
}

fn word(median: f64, limit: f64) -> &'static str {
    if median <= limit { "held" } else { "missed" }
}
