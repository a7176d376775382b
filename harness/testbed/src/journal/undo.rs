//! Undoes effects, each with the first [`Undo`] that supports its kind.

use super::effect::{Effect, EffectId};
use super::process;
use crate::error::TestbedError;
use futures::future::{BoxFuture, FutureExt};
use std::path::Path;

/// Undoes some kinds of effects. Other crates implement it for Kubernetes objects, clusters and chains.
pub trait Undo: Send + Sync {
    /// Undoes an effect; none if it does not support this kind. An effect that no longer exists counts as undone.
    fn undo<'a>(&'a self, effect: &'a Effect) -> Option<BoxFuture<'a, Result<(), TestbedError>>>;
}

/// Undoes `effects` in reverse order. It undoes local effects itself, and the others with `undoers`. It continues after an
/// error, and returns what could not be undone, one line each. It calls `done` with the id of each undone effect.
pub(super) async fn undo_all(
    effects: &[(EffectId, Effect)],
    undoers: &[&dyn Undo],
    mut done: impl FnMut(EffectId),
) -> Vec<String> {
    let mut left = Vec::new();
    for (id, effect) in effects.iter().rev() {
        let mut found = std::iter::once(&LocalUndo as &dyn Undo).chain(undoers.iter().copied());
        match found.find_map(|undoer| undoer.undo(effect)) {
            Some(work) => match work.await {
                Ok(()) => done(*id),
                Err(error) => left.push(format!("{effect}: {error}")),
            },
            None => left.push(format!("{effect}: this command can't undo this kind")),
        }
    }
    left
}

/// Undoes local effects on this host.
struct LocalUndo;

impl Undo for LocalUndo {
    fn undo<'a>(&'a self, effect: &'a Effect) -> Option<BoxFuture<'a, Result<(), TestbedError>>> {
        let result = match effect {
            Effect::Process { pid, start, .. } => process::end(*pid, *start),
            Effect::Folder { path } => accept_missing(std::fs::remove_dir_all(path), path),
            Effect::File { path } => remove_file(path),
            _ => return None,
        };
        Some(async move { result }.boxed())
    }
}

/// Removes a file; one that is missing is no error.
///
/// # Errors
/// [`TestbedError`] with the path.
pub(crate) fn remove_file(path: &Path) -> Result<(), TestbedError> {
    accept_missing(std::fs::remove_file(path), path)
}

fn accept_missing(removed: std::io::Result<()>, path: &Path) -> Result<(), TestbedError> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(TestbedError::new(format!("remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}
