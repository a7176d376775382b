//! Who takes part in an act on the wire: everybody is at the one agent that owns the bed.

use crate::agent::LocalAgent;
use crate::wire::Parties;
use futures::FutureExt;
use futures::future::BoxFuture;
use plumbline_core::plan::ProbeEndpoint;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_testbed::error::TestbedError;
use std::time::Duration;
use tokio::sync::Mutex;

/// The parties of a private bed.
pub struct Bed<'a>(Mutex<&'a mut LocalAgent>);

impl<'a> Bed<'a> {
    /// Those of this agent.
    pub fn new(agent: &'a mut LocalAgent) -> Self {
        Self(Mutex::new(agent))
    }
}

impl Parties for Bed<'_> {
    fn place(&self, party: &ProbeEndpoint) -> Result<(usize, Target), TestbedError> {
        let target = match party {
            ProbeEndpoint::Pod(name) => Target::Pod(name.clone()),
            ProbeEndpoint::Host(name) => Target::Host(name.clone()),
            ProbeEndpoint::Node(number) => Target::NodeAt(*number),
        };
        Ok((0, target))
    }

    fn ask(&self, _agent: usize, op: Op, deadline: Duration) -> BoxFuture<'_, Result<Outcome, TestbedError>> {
        async move {
            let mut agent = self.0.lock().await;
            match agent.ask(op, deadline).await {
                Ok(outcome) => Ok(outcome),
                Err(unanswered) => Err(agent.testbed_error("watch the wire", unanswered).await),
            }
        }
        .boxed()
    }
}
