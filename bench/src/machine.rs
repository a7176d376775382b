//! The machine: processors, kernel, load.

use std::fs;
use std::path::Path;

/// Processors, kernel, load, and the build of this program, in one line.
pub fn describe_machine(root: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read_first_line("/proc/sys/kernel/osrelease");
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!(
        "{cores} processors ({}), kernel {kernel}, {build} build of {}; {}",
        model.unwrap_or_else(|| "of an unknown model".to_owned()),
        root.file_name().unwrap_or_default().display(),
        describe_load(),
    )
}

/// The load of the last minute, and the share of the last ten seconds in which a process waited for a processor.
pub fn describe_load() -> String {
    let load = read_first_line("/proc/loadavg");
    let pressure = read_first_line("/proc/pressure/cpu");
    let waiting = pressure.split_whitespace().find_map(|field| field.strip_prefix("avg10="));
    let waiting =
        waiting.map(|share| format!(", processes waited for a processor in {share} percent of the last 10 s"));
    let minute = load.split_whitespace().next().unwrap_or("unknown").to_owned();
    format!("load of the last minute {minute}{}", waiting.unwrap_or_default())
}

fn read_first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}
