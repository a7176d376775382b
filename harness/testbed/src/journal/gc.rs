//! Collecting what dead runs left behind.

use super::effect::{Effect, Line};
use super::run::{EffectId, journal_path, runs_folder};
use super::{Undo, process, unwind};
use crate::error::{AtStage, TestbedError};
use futures::future::{BoxFuture, FutureExt};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

/// What `gc` did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Effects undone, each a line.
    pub undone: Vec<String>,
    /// Runs that still live and were left alone.
    pub alive: Vec<String>,
    /// What could not be undone, each a line.
    pub left: Vec<String>,
}

/// Undoes what dead runs left open, each run's effects in reverse. Live runs are left alone: their journals
/// are locked. Goes on after an error.
///
/// # Errors
/// [`TestbedError`] when the state folder can't be read.
pub async fn gc(undoers: &[&dyn Undo]) -> Result<Collected, TestbedError> {
    let mut collected = Collected::default();
    let folder = runs_folder()?;
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Ok(collected);
    };
    for entry in entries {
        let run = entry.at_stage("read state folder")?.path();
        collect(&run, undoers, &mut collected).await;
    }
    Ok(collected)
}

/// The same for one run alone.
///
/// # Errors
/// [`TestbedError`] when there is no state folder.
pub async fn gc_of(run: &str, undoers: &[&dyn Undo]) -> Result<Collected, TestbedError> {
    let mut collected = Collected::default();
    collect(&runs_folder()?.join(run), undoers, &mut collected).await;
    Ok(collected)
}

/// Undoes one journal's open effects, whoever holds it: for what the user wants gone.
///
/// # Errors
/// [`TestbedError`] with what could not be undone.
pub async fn undo(run: &str) -> Result<(), TestbedError> {
    let path = journal_path(&runs_folder()?.join(run));
    let mut file = OpenOptions::new().read(true).append(true).open(&path).at_stage("read a journal")?;
    let open = read(&file).open;
    let mut gone = Vec::new();
    let left = unwind(&open, &[&Own], |id| gone.push(id)).await;
    gone.into_iter().for_each(|id| note_gone(&mut file, id));
    if left.is_empty() { Ok(()) } else { Err(TestbedError::new("clean up", left.join("; "))) }
}

fn note_gone(file: &mut File, id: EffectId) {
    if let Ok(line) = serde_json::to_string(&Line::Done { id: id.0 }) {
        // On a line of its own, also after one that was cut short.
        let _ = write!(file, "\n{line}\n");
    }
}

async fn collect(run: &Path, undoers: &[&dyn Undo], collected: &mut Collected) {
    let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = journal_path(run);
    let Ok(mut file) = OpenOptions::new().read(true).append(true).open(&path) else {
        return;
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return collected.alive.push(name),
        Err(TryLockError::Error(error)) => return collected.left.push(format!("journal {}: {error}", path.display())),
    }
    let own = Own;
    let undoers: Vec<&dyn Undo> = std::iter::once(&own as &dyn Undo).chain(undoers.iter().copied()).collect();
    let open = read(&file).open;
    let mut gone = Vec::new();
    collected.left.extend(unwind(&open, &undoers, |id| gone.push(id)).await);
    for (id, effect) in &open {
        if gone.contains(id) {
            collected.undone.push(effect.to_string());
            note_gone(&mut file, *id);
        }
    }
}

/// What a journal says.
pub(super) struct Book {
    /// The intents that are not crossed out.
    pub open: Vec<(EffectId, Effect)>,
    /// Whether every line could be read: one of a newer version can't.
    pub whole: bool,
}

/// Reads a journal. A line cut short by a crash counts for nothing: its effect was not made, since the line was not synced.
pub(super) fn read(file: &File) -> Book {
    let (mut open, mut whole) = (BTreeMap::new(), true);
    for line in BufReader::new(file).split(b'\n') {
        let Ok(line) = line else {
            whole = false;
            break;
        };
        match serde_json::from_slice(&line) {
            Ok(Line::Begin { .. }) => {}
            Ok(Line::Intent { id, effect }) => drop(open.insert(id, effect)),
            Ok(Line::Done { id }) => drop(open.remove(&id)),
            Err(_) => whole &= line.trim_ascii().is_empty(),
        }
    }
    Book { open: open.into_iter().map(|(id, effect)| (EffectId(id), effect)).collect(), whole }
}

/// Undoes what needs neither an engine nor a cluster.
pub(super) struct Own;

impl Undo for Own {
    fn undo<'a>(&'a self, effect: &'a Effect) -> Option<BoxFuture<'a, Result<(), TestbedError>>> {
        let result = match effect {
            Effect::Process { pid, start, .. } => process::end(*pid, *start),
            Effect::Folder { path } => gone(std::fs::remove_dir_all(path), path),
            Effect::File { path } => gone(std::fs::remove_file(path), path),
            _ => return None,
        };
        Some(async move { result }.boxed())
    }
}

fn gone(removed: std::io::Result<()>, path: &Path) -> Result<(), TestbedError> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(TestbedError::new("remove", format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}
