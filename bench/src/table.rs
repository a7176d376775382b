//! Printing: results on standard output, progress on standard error.

use crate::samples::Samples;
use std::io::Write as _;

/// Width of the first column.
const NAMES: usize = 58;

/// Prints a line of the results.
pub fn print_line(text: &str) {
    // A closed standard output is no error.
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Prints a line of progress.
pub fn print_progress(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Prints the heading of a table of times or ratios.
pub fn print_heading(title: &str) {
    print_line(&format!("\n{title:NAMES$} {:>9} {:>9} {:>9}", "median", "min", "max"));
}

/// Prints a row of times, in milliseconds; `limit` is the budget of the median.
pub fn print_times(name: &str, samples: &Samples, limit: Option<f64>) {
    let (min, max) = samples.spread();
    let median = samples.median();
    let budget = limit.map(|limit| format!("   budget: {limit} ms, {}", compare(median, limit))).unwrap_or_default();
    print_line(&format!("{name:NAMES$} {:>9} {:>9} {:>9}{budget}", ms(median), ms(min), ms(max)));
}

/// Prints a row of ratios.
pub fn print_ratios(name: &str, samples: &Samples, limit: Option<f64>) {
    let (min, max) = samples.spread();
    let median = samples.median();
    let budget = limit.map(|limit| format!("   budget: {limit}, {}", compare(median, limit))).unwrap_or_default();
    print_line(&format!("{name:NAMES$} {median:>9.2} {min:>9.2} {max:>9.2}{budget}"));
}

fn ms(value: f64) -> String {
    format!("{value:.1} ms")
}

fn compare(median: f64, limit: f64) -> &'static str {
    if median <= limit { "met" } else { "missed" }
}
