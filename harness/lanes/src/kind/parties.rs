//! Who takes part in an act on the wire: pods and nodes are at the agents on their nodes, hosts at those in their
//! containers.

use super::outside::PacketEndpoints;
use super::scene::Staged;
use crate::wire::{self, ProbeEndpoints};
use futures::FutureExt;
use futures::future::BoxFuture;
use plumbline_cluster::agent_session::Session;
use plumbline_core::observe::Observation;
use plumbline_core::plan::{Plan, ProbeEndpoint};
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::wire::{ProbeAction, Script, Tap, WireObservation};
use plumbline_kube::readiness::PodOutcome;
use plumbline_kube::readiness::{node_of, uid_of};
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use std::time::Duration;

const STAGE: &str = "probe the wire";

/// The parties of a scenario.
struct Endpoints<'a> {
    around: &'a PacketEndpoints,
    pods: &'a [Staged],
}

/// Does what a plan wants of packets, and tells what was seen; none where it wants nothing.
///
/// # Errors
/// `TestbedError` when an agent does not do its part.
pub(super) async fn listen(
    plan: &Plan,
    observation: &Observation,
    around: &PacketEndpoints,
    pods: &[Staged],
) -> Result<Option<WireObservation>, TestbedError> {
    let Some(script) = plumbline_core::script::build_script(plan, observation) else { return Ok(None) };
    let bed = Endpoints { around, pods };
    Ok(Some(wire::run_with_wider_windows(script, &bed, |script| bed.resolved(script)).await?))
}

impl Endpoints<'_> {
    /// The script with the names of interfaces in the place of uplinks: the agents here know nothing of those.
    fn resolved(&self, script: &Script) -> Result<Script, TestbedError> {
        let mut script = script.clone();
        for (party, capture) in &mut script.captures {
            self.resolve(party, &mut capture.interface)?;
        }
        for (party, probe) in &mut script.probes {
            if let ProbeAction::Control { interface, .. } = &mut probe.what {
                self.resolve(party, interface)?;
            }
        }
        Ok(script)
    }

    fn resolve(&self, party: &ProbeEndpoint, tap: &mut Tap) -> Result<(), TestbedError> {
        let Tap::Uplink(uplink) = tap else { return Ok(()) };
        let ports: Option<&BTreeMap<String, String>> = match party {
            ProbeEndpoint::Node(number) => self.around.places.get(number.wrapping_sub(1)).map(|place| &place.ports),
            ProbeEndpoint::Host(name) => {
                self.around.external_hosts.iter().find(|one| one.name == *name).map(|one| &one.ports)
            }
            ProbeEndpoint::Pod(_) => None,
        };
        let name = ports.and_then(|ports| ports.get(uplink)).cloned();
        *tap = Tap::Name(
            name.ok_or_else(|| TestbedError::new(STAGE, format!("{party:?} has no port on uplink {uplink}")))?,
        );
        Ok(())
    }

    /// The number of the agent on a node: its place in the scenario.
    fn on_node(&self, node: &str) -> Result<usize, TestbedError> {
        let found = self.around.places.iter().position(|place| place.node == node);
        found.ok_or_else(|| TestbedError::new(STAGE, format!("node {node} is none of the scenario's")))
    }

    fn session(&self, agent: usize) -> Option<&Session> {
        let places = self.around.places.len();
        match agent.checked_sub(places) {
            None => self.around.places.get(agent).map(|place| &place.session),
            Some(host) => self.around.external_hosts.get(host).map(|host| &host.session),
        }
    }
}

impl ProbeEndpoints for Endpoints<'_> {
    fn locate(&self, party: &ProbeEndpoint) -> Result<(usize, Target), TestbedError> {
        let none = || TestbedError::new(STAGE, format!("{party:?} is not there"));
        match party {
            ProbeEndpoint::Pod(name) => {
                let staged = self.pods.iter().find(|staged| staged.pod.name == *name).ok_or_else(none)?;
                let PodOutcome::Up(pod) = &staged.came else { return Err(none()) };
                let target =
                    Target::Sandbox { namespace: staged.namespace.clone(), name: name.clone(), uid: uid_of(pod) };
                Ok((self.on_node(&node_of(pod))?, target))
            }
            ProbeEndpoint::Node(number) => {
                let place = number.checked_sub(1).filter(|place| *place < self.around.places.len());
                Ok((place.ok_or_else(none)?, Target::Node))
            }
            ProbeEndpoint::Host(name) => {
                let place = self.around.external_hosts.iter().position(|one| one.name == *name).ok_or_else(none)?;
                Ok((self.around.places.len() + place, Target::Node))
            }
        }
    }

    fn call(&self, agent: usize, op: Op, deadline: Duration) -> BoxFuture<'_, Result<Outcome, TestbedError>> {
        async move {
            let session =
                self.session(agent).ok_or_else(|| TestbedError::new(STAGE, format!("there is no agent {agent}")))?;
            session.ask(STAGE, op, deadline).await
        }
        .boxed()
    }
}
