//! The state of the host, compared before and after by tests that kill Plumbline.

use plumbline_testbed::wait::{self, Deadline};
use std::collections::BTreeSet;
use std::time::Duration;

/// The state of the host's first namespaces.
#[derive(Debug, PartialEq, Eq)]
pub struct HostState {
    /// Its links, without those of container engines.
    pub links: BTreeSet<String>,
    /// Mounts that concern Plumbline or network namespaces.
    pub mounts: BTreeSet<String>,
    /// Named network namespaces.
    pub namespaces: BTreeSet<String>,
}

impl HostState {
    /// Links and named namespaces of the host, and mounts that concern Plumbline or network namespaces. Other tests
    /// run beside this one, so only objects that no test may make on the host are compared.
    ///
    /// # Errors
    /// When this host's `/proc` can't be read.
    pub fn read() -> anyhow::Result<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        let ours = |line: &&str| {
            line.contains("plumbline")
                || line.contains("netns") && !line.contains(" /run/docker/")
                || line.contains("/var/lib/cni")
        };
        Ok(Self {
            links: names("/sys/class/net"),
            mounts: mounts.lines().filter(ours).map(ToOwned::to_owned).collect(),
            namespaces: names("/run/netns"),
        })
    }
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| !is_engine_link(name)).collect()
}

/// Links that a container engine makes and removes at any time: `docker0`, `veth` with seven hex digits,
/// `br-` with twelve. No wider patterns, or a leaked `br-ex` would not be found.
pub fn is_engine_link(name: &str) -> bool {
    let hex = |start: &str, count: usize| {
        let rest = name.strip_prefix(start);
        rest.is_some_and(|rest| rest.len() == count && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    name == "docker0" || hex("veth", 7) || hex("br-", 12)
}

/// Processes whose command line has `mark` in it.
pub fn processes_with(mark: &str) -> BTreeSet<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    })
    .collect()
}

/// Repeats a check until it is true, at most five minutes.
///
/// # Errors
/// When it is not true by then, with the name of the check; and errors of the check.
pub async fn wait_for(what: &str, seen: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Deadline::after(Duration::from_secs(300));
    while !seen().await? {
        anyhow::ensure!(!deadline.over(), "waited 300 s for {what}");
        wait::pause(Duration::from_millis(20)).await;
    }
    Ok(())
}
