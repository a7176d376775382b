//! Undoes the open effects of dead runs, and deletes old runs.

use super::effect::EffectId;
use super::file::{cross_out, journal_path, read_journal, runs_folder};
use super::undo::{Undo, undo_all};
use crate::error::{AtStage, TestbedError};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The retention of a run after the last write to its journal: the same as for unused build results.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// The result of `gc`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Undone effects, one line each.
    pub undone: Vec<String>,
    /// Live runs, which stay.
    pub live_runs: Vec<String>,
    /// Effects that could not be undone and lines that could not be read, one line each.
    pub failures: Vec<String>,
}

/// Undoes the open effects of dead runs, each run's in reverse order. Live runs stay, because their journals are locked. It
/// continues after an error.
///
/// # Errors
/// [`TestbedError`] when the state folder can't be read.
pub async fn gc(undoers: &[&dyn Undo]) -> Result<Collected, TestbedError> {
    let mut collected = Collected::default();
    let Ok(entries) = std::fs::read_dir(runs_folder()?) else { return Ok(collected) };
    for entry in entries {
        let run = entry.at_stage("read state folder")?.path();
        collect_run(&run, undoers, &mut collected).await;
    }
    Ok(collected)
}

/// The same for only one run.
///
/// # Errors
/// [`TestbedError`] when there is no state folder.
pub async fn gc_of(run: &str, undoers: &[&dyn Undo]) -> Result<Collected, TestbedError> {
    let mut collected = Collected::default();
    collect_run(&runs_folder()?.join(run), undoers, &mut collected).await;
    Ok(collected)
}

/// Undoes the open effects of one journal that need neither an engine nor a cluster. Does not take the journal's lock,
/// because the user requested the clean-up.
///
/// # Errors
/// [`TestbedError`] with what could not be undone.
pub async fn undo_local_effects(run: &str) -> Result<(), TestbedError> {
    let path = journal_path(&runs_folder()?.join(run));
    let mut file = OpenOptions::new().read(true).append(true).open(&path).at_stage("read a journal")?;
    let open = read_journal(&file).at_stage("read a journal")?.open;
    let mut gone = Vec::new();
    let left = undo_all(&open, &[], |id| gone.push(id)).await;
    gone.into_iter().for_each(|id| cross_out(&mut file, id));
    if left.is_empty() { Ok(()) } else { Err(TestbedError::new("clean up", left.join("; "))) }
}

async fn collect_run(run: &Path, undoers: &[&dyn Undo], collected: &mut Collected) {
    let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = journal_path(run);
    let Ok(mut file) = OpenOptions::new().read(true).append(true).open(&path) else { return };
    let mut fail = |error: &std::io::Error| collected.failures.push(format!("journal {}: {error}", path.display()));
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return collected.live_runs.push(name),
        Err(TryLockError::Error(error)) => return fail(&error),
    }
    let content = match read_journal(&file) {
        Ok(content) => content,
        Err(error) => return fail(&error),
    };
    let damaged = content.damaged.iter().map(|(line, why)| format!("journal {}, line {line}: {why}", path.display()));
    collected.failures.extend(damaged);
    let mut gone: Vec<EffectId> = Vec::new();
    collected.failures.extend(undo_all(&content.open, undoers, |id| gone.push(id)).await);
    for (id, effect) in &content.open {
        if gone.contains(id) {
            collected.undone.push(effect.to_string());
            cross_out(&mut file, *id);
        }
    }
}

/// Removes the folders, including evidence, of dead runs without open effects whose journal was last written longer than
/// [`RETENTION`] ago. Returns their number. The caller must run the sweep by label before, because it needs the run's folder.
/// A journal with an unreadable line stays for a version that can read it.
///
/// # Errors
/// [`TestbedError`] when the state folder can't be read, or a folder can't be removed.
pub fn delete_old_runs() -> Result<usize, TestbedError> {
    let Ok(entries) = std::fs::read_dir(runs_folder()?) else { return Ok(0) };
    let mut deleted = 0;
    for entry in entries {
        let run = entry.at_stage("read state folder")?.path();
        if is_over(&run) {
            // The journal is deleted last: a folder without one is never read again.
            // The journal is deleted last: a folder without one is never read again.
            let inner = std::fs::read_dir(&run).at_stage("delete an old run")?.flatten().map(|entry| entry.path());
            for path in inner.filter(|path| *path != journal_path(&run)) {
                let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                removed.at_stage(&format!("remove {}", path.display()))?;
            }
            std::fs::remove_dir_all(&run).at_stage("delete an old run")?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// Whether no process holds the run, it has no open effects, and it is old.
fn is_over(run: &Path) -> bool {
    let Ok(journal) = OpenOptions::new().read(true).append(true).open(journal_path(run)) else { return false };
    if !is_old(&journal) || journal.try_lock().is_err() {
        return false;
    }
    read_journal(&journal).is_ok_and(|content| content.open.is_empty() && content.damaged.is_empty())
}

fn is_old(journal: &File) -> bool {
    let written = journal.metadata().and_then(|metadata| metadata.modified());
    written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > RETENTION))
}
