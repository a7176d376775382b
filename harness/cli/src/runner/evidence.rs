//! The evidence folder: every value on the way from plan to report, so that a later step can be replayed.

use plumbline_core::wire::{WireObservation, pcap};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Writes evidence below one folder: `<folder>/<lane>/<scenario>/<file>`.
pub(super) struct Evidence {
    folder: PathBuf,
}

impl Evidence {
    /// Evidence below `folder`, which is made on the first write.
    pub(super) fn below(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Where the evidence of one scenario on one lane lies.
    pub(super) fn folder(&self, lane: &str, scenario: &str) -> Option<String> {
        Some(self.path(lane, scenario).display().to_string())
    }

    /// Keeps a value as JSON. A full disk must not change a verdict: the failure is written into
    /// nothing but the folder's absence, and the reporters still have the report itself.
    pub(super) fn keep<T: Serialize>(&self, lane: &str, scenario: &str, name: &str, value: &T) {
        if let Ok(text) = serde_json::to_string_pretty(value) {
            self.write(lane, scenario, name, text.as_bytes());
        }
    }

    /// Keeps what was seen of packets: `wire.json`, and each capture as a file that packet readers open, named by the
    /// capture's id. Files of an earlier run of the same scenario go: a capture that was not made must not be found.
    pub(super) fn keep_wire(&self, lane: &str, scenario: &str, wire: Option<&WireObservation>) {
        let folder = self.path(lane, scenario);
        for old in std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()) {
            if old.extension().is_some_and(|ending| ending == "pcap") || old.ends_with("wire.json") {
                let _ = std::fs::remove_file(old);
            }
        }
        let Some(wire) = wire else { return };
        self.keep(lane, scenario, "wire.json", wire);
        for capture in &wire.results.captures {
            match pcap(capture) {
                Ok(bytes) => self.write(lane, scenario, &file_of(&capture.id), &bytes),
                Err(error) => {
                    self.write(lane, scenario, &format!("{}.error", file_of(&capture.id)), error.to_string().as_bytes())
                }
            }
        }
    }

    fn write(&self, lane: &str, scenario: &str, name: &str, bytes: &[u8]) {
        let folder = self.path(lane, scenario);
        if std::fs::create_dir_all(&folder).is_ok() {
            let _ = std::fs::write(folder.join(name), bytes);
        }
    }

    fn path(&self, lane: &str, scenario: &str) -> PathBuf {
        // A scenario's name has slashes; each part was checked at load to be a plain word.
        scenario.split('/').fold(self.folder.join(lane), |path, part| path.join(part))
    }
}

/// The file of a capture: its id with dashes where it has slashes.
fn file_of(id: &str) -> String {
    format!("{}.pcap", id.replace('/', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_core::wire::{CaptureResult, ProbeResults};

    fn wire(ids: &[&str]) -> WireObservation {
        let capture =
            |id: &&str| CaptureResult { id: (*id).to_owned(), interface: "eth1".into(), frames: vec![], dropped: 0 };
        let captures = ids.iter().map(capture).collect();
        WireObservation { results: ProbeResults { captures, ..ProbeResults::default() }, ..WireObservation::default() }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder.join("netns/a/b")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn each_capture_is_a_file_and_those_of_an_earlier_run_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let evidence = Evidence::below(folder.path());
        evidence.keep_wire("netns", "a/b", Some(&wire(&["p/reaches/0/pod", "p/reaches/0/far"])));
        assert_eq!(names(folder.path()), ["p-reaches-0-far.pcap", "p-reaches-0-pod.pcap", "wire.json"]);
        let kept = std::fs::read(folder.path().join("netns/a/b/p-reaches-0-pod.pcap")).unwrap();
        assert_eq!(kept[..4], 0xa1b2_c3d4_u32.to_le_bytes());
        evidence.keep("netns", "a/b", "report.json", &1);
        evidence.keep_wire("netns", "a/b", Some(&wire(&["q"])));
        assert_eq!(names(folder.path()), ["q.pcap", "report.json", "wire.json"]);
        evidence.keep_wire("netns", "a/b", None);
        assert_eq!(names(folder.path()), ["report.json"]);
    }
}
