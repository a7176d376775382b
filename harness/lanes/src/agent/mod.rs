//! The lane's side of the agent protocol: [`node_agent`] is an agent with its own node, as a child process or in a virtual
//! machine, and [`calls`] has one typed function for each operation.

pub mod calls;
pub mod node_agent;

pub use node_agent::{NodeAgent, RemoteAgent};
pub use plumbline_testbed::agent_client::{Client, Unanswered};
