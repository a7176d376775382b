//! The only module that starts processes.
//!
//! Every child has its own process group, a standard input that is closed by default, a deadline, and size limits for its
//! outputs. A grandchild that keeps an output open does not block the reader.
//!
//! Order of the files, each uses only those before it: `transcript`, `output`, `command`, `session`.

mod command;
mod output;
mod session;
mod transcript;

pub use command::Cmd;
pub(crate) use output::keep_tail;
pub use session::{Session, detach};
pub use transcript::{ExecError, ProcessEnd, Transcript};
