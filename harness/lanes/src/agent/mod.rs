//! Talking to the agent, wherever it runs: [`Client`] is the talk over any pair of streams, [`local`] an agent with a
//! node of its own, here or elsewhere, [`calls`] the questions with their proper answers.

pub mod calls;
pub mod local;

pub use local::{Elsewhere, LocalAgent};
pub use plumbline_testbed::agent_client::{Client, Unanswered};
