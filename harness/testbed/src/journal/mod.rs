//! The journal: an intent is written and synced before each outside effect, and crossed out when the effect no longer
//! exists. `gc` undoes in reverse what a dead run has not crossed out.
//!
//! Order of the files, each uses only those before it: `effect`, `process`, `file`, `undo`, `run`, `gc`.

mod effect;
mod file;
mod gc;
mod process;
mod run;
mod undo;

pub use effect::{Effect, EffectId, Line};
pub use gc::{Collected, RETENTION, delete_old_runs, gc, gc_of, undo_local_effects};
pub use process::{alive, start_time};
pub use run::{JournalHold, Run, RunState, hold, state_of};
pub use undo::Undo;
pub(crate) use undo::remove_file;
