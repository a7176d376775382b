//! A run: its id, its folder, its journal, and the lock that its owner holds until the run ends.

use super::effect::{Effect, EffectId, Line};
use super::file::{append_line, journal_path, runs_folder};
use super::process;
use super::undo::{Undo, undo_all};
use crate::error::{AtStage, TestbedError};
use crate::ids;
use crate::lease::is_taken;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A run and its journal. The journal's file stays locked until the run ends.
#[derive(Debug)]
pub struct Run {
    id: String,
    folder: PathBuf,
    journal: Mutex<OpenJournal>,
}

#[derive(Debug)]
struct OpenJournal {
    file: File,
    last: u64,
    open: Vec<(EffectId, Effect)>,
}

impl Run {
    /// Begins a run: creates its folder below the state folder, and creates and locks its journal.
    ///
    /// # Errors
    /// [`TestbedError`] when the folder or journal can't be created. Without a journal no effect may happen.
    pub fn begin(what: &str) -> Result<Self, TestbedError> {
        let id = ids::new_id();
        let folder = runs_folder()?.join(&id);
        let stage = "begin journal";
        std::fs::create_dir_all(&folder).at_stage(&format!("make folder {}", folder.display()))?;
        let path = journal_path(&folder);
        let mut file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)
            .at_stage(&format!("make journal {}", path.display()))?;
        file.lock().at_stage(stage)?;
        let pid = std::process::id();
        let start = process::start_time(pid).unwrap_or(0);
        append_line(&mut file, &Line::Begin { run: id.clone(), what: what.to_string(), pid, start })?;
        Ok(Self { id, folder, journal: Mutex::new(OpenJournal { file, last: 0, open: vec![] }) })
    }

    /// The run's id, which is valid in names and labels.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The run's own folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the run's evidence, which is kept after the run.
    pub fn evidence(&self) -> PathBuf {
        self.folder.join("evidence")
    }

    /// Writes and syncs an intent. The caller must call it before the effect.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be written; then the effect must not be made.
    pub fn intend(&self, effect: Effect) -> Result<EffectId, TestbedError> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let id = EffectId(journal.last + 1);
        append_line(&mut journal.file, &Line::Intent { id: id.0, effect: effect.clone() })?;
        journal.last = id.0;
        journal.open.push((id, effect));
        Ok(id)
    }

    /// Crosses out an intent: the effect no longer exists, or was handed over.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be written. Then `gc` undoes the effect once more, which is harmless.
    pub fn done(&self, id: EffectId) -> Result<(), TestbedError> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.open.retain(|(open, _)| *open != id);
        append_line(&mut journal.file, &Line::Done { id: id.0 })
    }

    /// Undoes the open effects in reverse order, and returns what could not be undone, one line each.
    /// The caller must call it at the end of every run, even of an interrupted one.
    pub async fn unwind(&self, undoers: &[&dyn Undo]) -> Vec<String> {
        let open = self.journal.lock().unwrap_or_else(PoisonError::into_inner).open.clone();
        undo_all(&open, undoers, |id| {
            let _ = self.done(id);
        })
        .await
    }
}

/// Protects a journal from `gc` in a process other than its owner.
#[derive(Debug)]
#[must_use = "gc collects a journal whose hold is dropped"]
pub struct JournalHold {
    _file: File,
}

/// Protects a journal from `gc` after its owner handed over its effects. Several processes may hold it.
///
/// # Errors
/// [`TestbedError`] when there is no such journal, or its owner or `gc` holds it exclusively.
pub fn hold(run: &str) -> Result<JournalHold, TestbedError> {
    let path = journal_path(&runs_folder()?.join(run));
    let stage = format!("hold journal {}", path.display());
    let file = File::open(&path).at_stage(&stage)?;
    match is_taken(file.try_lock_shared()).at_stage(&stage)? {
        true => Ok(JournalHold { _file: file }),
        false => Err(TestbedError::new(stage, "it is held exclusively by its owner or by gc")),
    }
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Its owner holds its journal.
    Alive,
    /// Its journal exists, and no process holds it.
    Dead,
    /// This state folder has no such run.
    Unknown,
}

/// Reads the state of a run.
///
/// # Errors
/// [`TestbedError`] when its journal can't be opened or locked.
pub fn state_of(run: &str) -> Result<RunState, TestbedError> {
    let path = journal_path(&runs_folder()?.join(run));
    let stage = format!("read journal {}", path.display());
    match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(RunState::Unknown),
        Err(error) => Err(TestbedError::new(stage, error)),
        // A shared lock, so that two readers do not mistake each other for the owner.
        // A shared lock, so that two readers do not mistake each other for the owner.
        Ok(file) => {
            let is_dead = is_taken(file.try_lock_shared()).at_stage(&stage)?;
            Ok(if is_dead { RunState::Dead } else { RunState::Alive })
        }
    }
}
