//! The one place that starts processes.
//!
//! Every child has its own process group, a closed standard input unless it is given one, a deadline,
//! and size caps on what it prints. A grandchild that keeps an output open does not hold the reader.
//!
//! Order of the files, each uses only those before it: `transcript`, `output`, `command`, `session`.

mod command;
mod output;
mod session;
mod transcript;

pub use command::Cmd;
pub use session::{Session, detach};
pub use transcript::{ExecError, ProcessEnd, Transcript};
