//! The one place that starts processes.
//!
//! Every child has its own process group, a closed standard input unless it is given one, a deadline,
//! and size caps on what it prints. A grandchild that keeps an output open does not hold the reader.

mod command;
mod detached;
mod pump;
mod session;
mod transcript;

pub use command::Cmd;
pub use detached::detach;
pub use session::Session;
pub use transcript::{Ending, ExecError, Transcript};
