//! What it is measured on.

use std::fs;
use std::path::Path;

/// Processors, kernel, load, and how this program was built, in one line.
#[must_use]
pub fn facts(root: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = first("/proc/sys/kernel/osrelease");
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!(
        "{cores} processors ({}), kernel {kernel}, {build} build of {}; {}",
        model.unwrap_or_else(|| "of an unknown model".to_owned()),
        root.file_name().unwrap_or_default().display(),
        load(),
    )
}

/// The load of the last minute, and how much of the last ten seconds a task waited for a processor.
#[must_use]
pub fn load() -> String {
    let load = first("/proc/loadavg");
    let pressure = first("/proc/pressure/cpu");
    let waiting = pressure.split_whitespace().find_map(|word| word.strip_prefix("avg10="));
    let waiting = waiting.map(|share| format!(", a task waited for a processor in {share} percent of the last 10 s"));
    let minute = load.split_whitespace().next().unwrap_or("unknown").to_owned();
    format!("load of the last minute {minute}{}", waiting.unwrap_or_default())
}

fn first(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}
