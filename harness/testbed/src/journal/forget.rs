//! Forgetting runs of long ago: every look at all runs would take longer from month to month.

use super::gc::read;
use super::run::{journal_path, runs_folder};
use crate::error::{AtStage, TestbedError};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a run is kept after its journal was last written: as long as results of builds are kept unused.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Removes the folders, with evidence and all, of runs that are dead and left nothing open, and whose journal was last
/// written longer than [`KEPT`] ago; gives how many. To be called after what has their labels was swept: nobody knows it
/// for theirs afterwards. A journal with a line that can't be read stays for a version that can read it.
///
/// # Errors
/// [`TestbedError`] when the state folder can't be read, or a folder can't be removed.
pub fn forget() -> Result<usize, TestbedError> {
    let Ok(entries) = std::fs::read_dir(runs_folder()?) else { return Ok(0) };
    let mut forgotten = 0;
    for entry in entries {
        let run = entry.at_stage("read state folder")?.path();
        if is_over(&run) {
            // The journal goes last: without it nobody would look at the rest again.
            for inner in std::fs::read_dir(&run).at_stage("forget a run")?.flatten() {
                remove(&inner.path(), &run)?;
            }
            std::fs::remove_dir_all(&run).at_stage("forget a run")?;
            forgotten += 1;
        }
    }
    Ok(forgotten)
}

fn remove(path: &Path, run: &Path) -> Result<(), TestbedError> {
    if path == journal_path(run) {
        return Ok(());
    }
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.at_stage(&format!("remove {}", path.display()))
}

/// Whether nobody holds the run, it left nothing open, and it is old.
fn is_over(run: &Path) -> bool {
    let Ok(journal) = OpenOptions::new().read(true).append(true).open(journal_path(run)) else { return false };
    if !is_old(&journal) || journal.try_lock().is_err() {
        return false;
    }
    let book = read(&journal);
    book.whole && book.open.is_empty()
}

fn is_old(journal: &File) -> bool {
    let written = journal.metadata().and_then(|metadata| metadata.modified());
    written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > KEPT))
}
