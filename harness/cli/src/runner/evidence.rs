//! The evidence of a scenario on a lane: every value from plan to report, so that each step can be replayed.

use plumbline_core::wire::{WireObservation, pcap};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The folder `<run>/<lane>/<scenario>`, made on the first write.
pub(super) struct Evidence {
    folder: PathBuf,
}

impl Evidence {
    /// The evidence of a scenario on a lane, below the run's folder.
    pub(super) fn of(run: &Path, lane: &str, scenario: &str) -> Self {
        // A scenario's name has slashes; the reader checked each part to be a plain word.
        Self { folder: scenario.split('/').fold(run.join(lane), |path, part| path.join(part)) }
    }

    /// The folder's path.
    pub(super) fn path(&self) -> String {
        self.folder.display().to_string()
    }

    /// Writes a value as JSON. A full disk must not change a verdict, so errors are ignored: the reporters have the report.
    pub(super) fn keep<T: Serialize>(&self, name: &str, value: &T) {
        if let Ok(text) = serde_json::to_string_pretty(value) {
            self.write(name, text.as_bytes());
        }
    }

    /// Writes the observed packets: `wire.json`, and a pcap file for each capture, named by its id. Files of an earlier run
    /// of the scenario are removed: a capture that was not made must not be found.
    pub(super) fn keep_wire(&self, wire: Option<&WireObservation>) {
        for old in
            std::fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path())
        {
            if old.extension().is_some_and(|ending| ending == "pcap") || old.ends_with("wire.json") {
                let _ = std::fs::remove_file(old);
            }
        }
        let Some(wire) = wire else { return };
        self.keep("wire.json", wire);
        for capture in &wire.results.captures {
            match pcap(capture) {
                Ok(bytes) => self.write(&file_of(&capture.id), &bytes),
                Err(error) => {
                    self.write(&format!("{}.error", file_of(&capture.id)), error.to_string().as_bytes());
                }
            }
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        if std::fs::create_dir_all(&self.folder).is_ok() {
            let _ = std::fs::write(self.folder.join(name), bytes);
        }
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
        let evidence = Evidence::of(folder.path(), "netns", "a/b");
        evidence.keep_wire(Some(&wire(&["p/reaches/0/pod", "p/reaches/0/far"])));
        assert_eq!(names(folder.path()), ["p-reaches-0-far.pcap", "p-reaches-0-pod.pcap", "wire.json"]);
        let kept = std::fs::read(folder.path().join("netns/a/b/p-reaches-0-pod.pcap")).unwrap();
        assert_eq!(kept[..4], 0xa1b2_c3d4_u32.to_le_bytes());
        evidence.keep("report.json", &1);
        evidence.keep_wire(Some(&wire(&["q"])));
        assert_eq!(names(folder.path()), ["q.pcap", "report.json", "wire.json"]);
        evidence.keep_wire(None);
        assert_eq!(names(folder.path()), ["report.json"]);
    }
}
