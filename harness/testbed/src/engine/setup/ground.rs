//! Looking at the host: what is there, what may be done.

use super::pins::Pins;
use super::plan::Ground;
use super::record::Record;
use crate::probe::{capability, disk};
use std::path::Path;

/// Where the kernel keeps how many inotify instances a user is allowed (`inotify(7)`).
pub(super) const INOTIFY: &str = "/proc/sys/fs/inotify/max_user_instances";

/// Looks, and changes nothing.
pub(super) fn look(pins: &Pins, record: Option<&Record>) -> Ground {
    Ground {
        uid: nix::unistd::geteuid().as_raw(),
        apt: program("apt-get"),
        daemon: program("dockerd"),
        client: program("docker"),
        // sd_booted(3) looks at the same folder.
        systemd: Path::new("/run/systemd/system").is_dir(),
        lacking: capability::withheld().unwrap_or_default().into_iter().map(str::to_owned).collect(),
        // Where it can't be told, the installation itself will tell.
        free_mib: disk::free_bytes(&pins.disk.path).map_or(u64::MAX, |bytes| bytes >> 20),
        inotify: std::fs::read_to_string(INOTIFY).ok().and_then(|text| text.trim().parse().ok()),
        ours_before: record.is_some(),
    }
}

/// Whether a program is in PATH or in the system's own folders, which an ordinary user's PATH leaves out.
fn program(name: &str) -> bool {
    which::which_in_global(name, Some(path())).is_ok_and(|mut found| found.next().is_some())
}

pub(super) use crate::packages::path;
