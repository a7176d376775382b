//! What the host has, as far as it decides how an engine is started.

use super::record::EngineRecord;
use super::settings::EngineSettings;
use crate::packages::path;
use crate::probe;
use std::path::Path;

/// Where the kernel keeps how many inotify instances a user is allowed (`inotify(7)`).
pub(super) const INOTIFY: &str = "/proc/sys/fs/inotify/max_user_instances";

/// What was found on the host, as far as it decides what to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HostState {
    /// The user's id.
    pub uid: u32,
    /// Whether `apt-get` is there.
    pub apt: bool,
    /// Whether `dockerd` is there.
    pub daemon: bool,
    /// Whether the `docker` command is there.
    pub client: bool,
    /// Whether systemd runs this host.
    pub systemd: bool,
    /// Capabilities that the kernel knows and this host withholds.
    pub lacking: Vec<String>,
    /// Free space where packages and images go, in MiB.
    pub free_mib: u64,
    /// How many inotify instances a user is allowed; none where the kernel has no such limit.
    pub inotify: Option<u64>,
    /// Whether an engine that we started was running here before.
    pub ours_before: bool,
}

/// Looks at the host, and changes nothing.
pub(super) fn read_host(settings: &EngineSettings, record: Option<&EngineRecord>) -> HostState {
    HostState {
        uid: nix::unistd::geteuid().as_raw(),
        apt: program("apt-get"),
        daemon: program("dockerd"),
        client: program("docker"),
        // sd_booted(3) looks at the same folder.
        systemd: Path::new("/run/systemd/system").is_dir(),
        lacking: probe::withheld_capabilities().unwrap_or_default().into_iter().map(str::to_owned).collect(),
        // Where it can't be read, the installation itself reports a full disk.
        free_mib: probe::free_bytes(&settings.disk.path).map_or(u64::MAX, |bytes| bytes >> 20),
        inotify: std::fs::read_to_string(INOTIFY).ok().and_then(|text| text.trim().parse().ok()),
        ours_before: record.is_some(),
    }
}

/// Whether a program is in PATH or in the system's own folders, which an ordinary user's PATH leaves out.
fn program(name: &str) -> bool {
    which::which_in_global(name, Some(path())).is_ok_and(|mut found| found.next().is_some())
}
