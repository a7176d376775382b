//! The properties of the host that decide how an engine is started.

use super::record::EngineRecord;
use super::settings::EngineSettings;
use crate::packages::path;
use crate::probe;
use std::path::Path;

/// The kernel's file with the maximum number of inotify instances per user (`inotify(7)`).
pub(super) const INOTIFY: &str = "/proc/sys/fs/inotify/max_user_instances";

/// The properties of the host that decide what to do.
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
    /// Capabilities that the kernel knows but the bounding set lacks.
    pub lacking: Vec<String>,
    /// Free space for packages and images, in MiB.
    pub free_mib: u64,
    /// The maximum number of inotify instances per user; none if the kernel has no such limit.
    pub inotify: Option<u64>,
    /// Whether Plumbline started an engine here before.
    pub ours_before: bool,
}

/// Reads the properties of the host, without any change.
pub(super) fn read_host(settings: &EngineSettings, record: Option<&EngineRecord>) -> HostState {
    HostState {
        uid: nix::unistd::geteuid().as_raw(),
        apt: has_program("apt-get"),
        daemon: has_program("dockerd"),
        client: has_program("docker"),
        // sd_booted(3) checks the same folder.
        systemd: Path::new("/run/systemd/system").is_dir(),
        lacking: probe::withheld_capabilities().unwrap_or_default().into_iter().map(str::to_owned).collect(),
        // If it can't be read, the installation itself reports a full disk.
        free_mib: probe::free_bytes(&settings.disk.path).map_or(u64::MAX, |bytes| bytes >> 20),
        inotify: std::fs::read_to_string(INOTIFY).ok().and_then(|text| text.trim().parse().ok()),
        ours_before: record.is_some(),
    }
}

/// Whether a program is in PATH or in the system's own folders, which an ordinary user's PATH does not contain.
fn has_program(name: &str) -> bool {
    which::which_in_global(name, Some(path())).is_ok_and(|mut found| found.next().is_some())
}
