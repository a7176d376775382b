//! The protocol between the host and the init of a virtual machine, on the channels that also carry the agent's protocol.
//!
//! A channel carries sessions, one after another. The agent's lines are JSON, which contains no raw control characters (RFC
//! 8259, section 7). So a line that begins with [`MARK`] is always one of these, also after an unfinished line of the
//! previous session.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The first byte of a line of the channel itself.
pub const MARK: u8 = 0x01;

/// The name of a channel in the guest, before its number: `plumbline.0`.
pub const CHANNEL: &str = "plumbline.";

/// On the kernel's command line: after how many seconds without a session the guest switches the machine off.
pub const IDLE: &str = "plumbline.idle";

/// On the kernel's command line: how many channels there are.
pub const CHANNELS: &str = "plumbline.channels";

/// The start of the MAC addresses of the machine's paired interfaces (`52:54:00` is the prefix of qemu). The number of the
/// pair follows, and 0 or 1 for its ends. Each pair is joined by a cable.
pub const PAIRED: [u8; 4] = [0x52, 0x54, 0x00, 0x65];

/// The MAC address of one end, 0 or 1, of a pair.
pub fn paired(pair: u8, end: u8) -> [u8; 6] {
    let [a, b, c, d] = PAIRED;
    [a, b, c, d, pair, end]
}

/// Where the guest keeps Terway's own plugin, and the stand-in for its daemon.
pub const TERWAY: &str = "/plumbline/terway";

/// The name of Terway's own plugin among the programs of a node.
pub const TERWAY_PLUGIN: &str = "terway";

/// The name of the stand-in for Terway's daemon among the programs of a node.
pub const TERWAY_BACKEND: &str = "terway-backend";

/// Where the guest keeps the pinned plugins.
pub const PLUGINS: &str = "/plumbline/cni";

/// Where the guest keeps the files that its host passed at the start, by number.
pub const GIVEN: &str = "/plumbline/given";

/// The request of the host to start a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartSession {
    /// The session's name, which separates its answers from those of the previous session.
    pub session: String,
    /// Arguments of the agent: `node` and what follows.
    pub arguments: Vec<String>,
}

/// A message of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "message")]
pub enum GuestMessage {
    /// The session has started; the following lines are its own.
    Ready {
        /// Its name.
        session: String,
        /// The time since the start of the guest's kernel, in milliseconds.
        uptime_ms: u64,
    },
    /// The session's agent has ended.
    Ended {
        /// Its name.
        session: String,
        /// Exit code; none where a signal ended it, or it could not be started.
        code: Option<i32>,
        /// The end of its standard error.
        stderr: String,
    },
}

/// Encodes a line of the channel itself.
///
/// # Errors
/// What JSON gives.
pub fn encode_line(message: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = vec![MARK];
    serde_json::to_writer(&mut line, message)?;
    line.push(b'\n');
    Ok(line)
}

/// The files of modules and of their dependencies, in an order in which they can be loaded. A line of `modules.dep` names a
/// file and its dependencies, the most basic one last (`modules.dep(5)`).
///
/// # Errors
/// The names of modules that this kernel does not have.
pub fn order_modules(dep: &str, wanted: &[String]) -> Result<Vec<String>, Vec<String>> {
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
    fn a_line_contains_the_mark_once() {
        let stderr = "a\u{1}b\n".to_owned();
        let text = encode_line(&GuestMessage::Ended { session: "s".into(), code: None, stderr }).unwrap();
        assert_eq!(text.iter().filter(|byte| **byte == MARK).count(), 1);
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    const DEP: &str = "kernel/drivers/virtio/virtio.ko:\n\
        kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko\n\
        kernel/drivers/virtio/virtio-blk.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko\n";

    #[test]
    fn a_module_follows_its_dependencies_and_occurs_once() {
        let wanted = ["virtio_ring".to_owned(), "virtio_blk".to_owned()];
        let files = order_modules(DEP, &wanted).unwrap();
        let names: Vec<String> = files.iter().map(|file| module_name(file)).collect();
        assert_eq!(names, ["virtio", "virtio_ring", "virtio_blk"]);
    }

    #[test]
    fn missing_modules_are_named() {
        assert_eq!(order_modules(DEP, &["vsock".to_owned(), "virtio".to_owned()]).unwrap_err(), ["vsock"]);
    }
}
