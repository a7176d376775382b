//! How a host and the init of a virtual machine talk over a channel, beside the agent's own protocol.
//!
//! A channel carries sessions, one after another. The agent's lines are JSON, in which no control character stands as it
//! is (RFC 8259, section 7); so a line that begins with [`MARK`] is always one of these, also in the middle of a line
//! that a session before left unended.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a line of the channel itself begins with.
pub const MARK: u8 = 0x01;

/// The name of a channel in the guest, before its number: `plumbline.0`.
pub const CHANNEL: &str = "plumbline.";

/// On the kernel's command line: after how many seconds without a session the guest switches itself off.
pub const IDLE: &str = "plumbline.idle";

/// On the kernel's command line: how many channels there are.
pub const CHANNELS: &str = "plumbline.channels";

/// MAC addresses of interfaces that the machine has in pairs, each pair joined by a cable, begin so (`52:54:00` is what
/// qemu gives its own); the pair's number follows, and 0 or 1 for its two ends.
pub const PAIRED: [u8; 4] = [0x52, 0x54, 0x00, 0x65];

/// The MAC address of one end, 0 or 1, of a pair.
#[must_use]
pub fn paired(pair: u8, end: u8) -> [u8; 6] {
    let [a, b, c, d] = PAIRED;
    [a, b, c, d, pair, end]
}

/// Where the guest keeps Terway's own plugin, and the stand-in for its daemon.
pub const TERWAY: &str = "/plumbline/terway";

/// The name under which a node finds Terway's own plugin among the programs it was given.
pub const TERWAY_PLUGIN: &str = "terway";

/// The same for the stand-in for Terway's daemon.
pub const TERWAY_BACKEND: &str = "terway-backend";

/// Where the guest keeps the pinned plugins.
pub const PLUGINS: &str = "/plumbline/cni";

/// Where the guest keeps what its host gave it at the start, by number.
pub const GIVEN: &str = "/plumbline/given";

/// What the host says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Begin {
    /// The session's name, by which its answers are known from those of the one before.
    pub session: String,
    /// Arguments of the agent: `node` and what follows.
    pub arguments: Vec<String>,
}

/// What the guest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "said")]
pub enum Said {
    /// What follows is this session's.
    Ready {
        /// Its name.
        session: String,
        /// Since the guest's kernel began, in milliseconds.
        uptime_ms: u64,
    },
    /// The session's agent has ended.
    Ended {
        /// Its name.
        session: String,
        /// Exit code; none where a signal ended it, or it could not be started.
        code: Option<i32>,
        /// The last of what it said on standard error.
        words: String,
    },
}

/// A line of the channel itself.
///
/// # Errors
/// What JSON gives.
pub fn line(said: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = vec![MARK];
    serde_json::to_writer(&mut line, said)?;
    line.push(b'\n');
    Ok(line)
}

/// The files of modules with all they need, in an order in which they can be loaded. A line of `modules.dep` names a file
/// and those it needs, the most basic one last (`modules.dep(5)`).
///
/// # Errors
/// The names of modules that this kernel does not have.
pub fn in_order(dep: &str, wanted: &[String]) -> Result<Vec<String>, Vec<String>> {
    let lines: BTreeMap<String, (&str, Vec<&str>)> = dep
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(file, needs)| (module_name(file), (file, needs.split_whitespace().collect())))
        .collect();
    let (mut ordered, mut seen, mut missing) = (Vec::new(), BTreeSet::new(), Vec::new());
    for module in wanted {
        let Some((file, needs)) = lines.get(module.as_str()) else {
            missing.push(module.clone());
            continue;
        };
        for one in needs.iter().rev().chain([file]) {
            if seen.insert(*one) {
                ordered.push((*one).to_owned());
            }
        }
    }
    if missing.is_empty() { Ok(ordered) } else { Err(missing) }
}

/// A module's name: its file's, with `_` for `-`, as the kernel has it.
fn module_name(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split('.').next().unwrap_or(name).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_holds_the_mark_once() {
        let words = "a\u{1}b\n".to_owned();
        let text = line(&Said::Ended { session: "s".into(), code: None, words }).unwrap();
        assert_eq!(text.iter().filter(|byte| **byte == MARK).count(), 1);
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    const DEP: &str = "kernel/drivers/virtio/virtio.ko:\n\
        kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko\n\
        kernel/drivers/virtio/virtio-blk.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko\n";

    #[test]
    fn a_module_comes_after_all_that_it_needs_and_once() {
        let wanted = ["virtio_ring".to_owned(), "virtio_blk".to_owned()];
        let files = in_order(DEP, &wanted).unwrap();
        let names: Vec<String> = files.iter().map(|file| module_name(file)).collect();
        assert_eq!(names, ["virtio", "virtio_ring", "virtio_blk"]);
    }

    #[test]
    fn modules_that_are_not_there_are_named() {
        assert_eq!(in_order(DEP, &["vsock".to_owned(), "virtio".to_owned()]).unwrap_err(), ["vsock"]);
    }
}
