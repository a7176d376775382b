//! Talking to the agent, wherever it runs: [`client`] is the talk over any pair of streams, [`local`] an agent that is
//! a child of this process, [`calls`] the questions with their proper answers.

pub mod calls;
pub mod client;
pub mod local;

pub use client::{Client, Unanswered};
pub use local::LocalAgent;
