//! The journal: an intent is written and synced before each outside effect, and crossed out when the effect
//! is gone again. What is not crossed out when its run is dead, `gc` undoes in reverse.

mod effect;
mod forget;
mod gc;
mod process;
mod run;

pub use effect::{Effect, Line};
pub use forget::{KEPT, forget};
pub use gc::{Collected, gc, gc_of, undo};
pub use process::{alive, start_time};
pub use run::{EffectId, Held, Run, RunState, hold, state_of};

use crate::error::TestbedError;
use futures::future::BoxFuture;

/// Somebody who can undo some kinds of effects. The lanes bring one for Kubernetes objects.
pub trait Undo: Send + Sync {
    /// Undoes an effect; none when this kind is not theirs. An effect that is gone already is undone.
    fn undo<'a>(&'a self, effect: &'a Effect) -> Option<BoxFuture<'a, Result<(), TestbedError>>>;
}

/// Undoes `effects` in reverse, goes on after an error, and gives what could not be undone, each a line.
/// Calls `done` with the position of each one that is gone.
pub(crate) async fn unwind(
    effects: &[(EffectId, Effect)],
    undoers: &[&dyn Undo],
    mut done: impl FnMut(EffectId),
) -> Vec<String> {
    let mut left = Vec::new();
    for (id, effect) in effects.iter().rev() {
        let mut found = undoers.iter().filter_map(|undoer| undoer.undo(effect));
        match found.next() {
            Some(work) => match work.await {
                Ok(()) => done(*id),
                Err(error) => left.push(format!("{effect}: {error}")),
            },
            None => left.push(format!("{effect}: nobody here can undo this kind")),
        }
    }
    left
}
