//! The journal: an intent is written and synced before each outside effect, and crossed out when the effect
//! is gone again. What is not crossed out when its run is dead, `gc` undoes in reverse.
//!
//! Order of the files, each uses only those before it: `effect`, `process`, `file`, `undo`, `run`, `gc`.

mod effect;
mod file;
mod gc;
mod process;
mod run;
mod undo;

pub use effect::{Effect, EffectId, Line};
pub use gc::{Collected, KEPT, forget, gc, gc_of, undo};
pub use process::{alive, start_time};
pub use run::{JournalHold, Run, RunState, hold, state_of};
pub use undo::Undo;
pub(crate) use undo::remove_file;
