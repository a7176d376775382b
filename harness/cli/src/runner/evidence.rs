//! The evidence folder: every value on the way from plan to report, so that a later step can be replayed.

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
        let folder = self.path(lane, scenario);
        if std::fs::create_dir_all(&folder).is_err() {
            return;
        }
        if let Ok(text) = serde_json::to_string_pretty(value) {
            let _ = std::fs::write(folder.join(name), text);
        }
    }

    fn path(&self, lane: &str, scenario: &str) -> PathBuf {
        // A scenario's name has slashes; each part was checked at load to be a plain word.
        scenario.split('/').fold(self.folder.join(lane), |path, part| path.join(part))
    }
}
