//! Talking to the agent, wherever it runs: [`client`] is the talk over any pair of streams, [`local`] an agent with a
//! node of its own, here or elsewhere, [`calls`] the questions with their proper answers.

pub mod calls;
pub mod client;
pub mod local;

pub use client::{Client, Unanswered};
pub use local::{Elsewhere, LocalAgent};
