//! The endpoints of probes: the agents on the nodes serve pods and nodes, those in their containers serve external hosts.

use super::packet_endpoints::PacketEndpoints;
use super::pods::StagedPod;
use crate::wire::{self, ProbeEndpoints};
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::ResourceExt as _;
use plumbline_cluster::agent_session::Session;
use plumbline_core::observe::Observation;
use plumbline_core::plan::{Plan, ProbeEndpoint};
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::wire::{ProbeAction, Script, Tap, WireObservation};
use plumbline_kube::readiness::{node_of, uid_of};
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use std::time::Duration;

const STAGE: &str = "probe the wire";

/// The endpoints of a scenario.
struct Endpoints<'a> {
    packets: &'a PacketEndpoints,
    pods: &'a [StagedPod],
}

/// Runs the probes of a plan. None if the plan has no probes.
///
/// # Errors
/// `TestbedError` when an agent fails or its answer is incomplete.
pub(super) async fn run_probes(
    plan: &Plan,
    observation: &Observation,
    packets: &PacketEndpoints,
    pods: &[StagedPod],
) -> Result<Option<WireObservation>, TestbedError> {
    let Some(script) = plumbline_core::script::build_script(plan, observation) else { return Ok(None) };
    let endpoints = Endpoints { packets, pods };
    Ok(Some(wire::run_with_wider_windows(script, &endpoints, |script| endpoints.resolve_uplinks(script)).await?))
}

impl Endpoints<'_> {
    /// Replaces uplinks of the script by names of interfaces, because the agents have no list of uplinks.
    fn resolve_uplinks(&self, script: &Script) -> Result<Script, TestbedError> {
        let mut script = script.clone();
        for (endpoint, capture) in &mut script.captures {
            self.resolve(endpoint, &mut capture.interface)?;
        }
        for (endpoint, probe) in &mut script.probes {
            if let ProbeAction::Control { interface, .. } = &mut probe.what {
                self.resolve(endpoint, interface)?;
            }
        }
        Ok(script)
    }

    fn resolve(&self, endpoint: &ProbeEndpoint, tap: &mut Tap) -> Result<(), TestbedError> {
        let Tap::Uplink(uplink) = tap else { return Ok(()) };
        let ports: Option<&BTreeMap<String, String>> = match endpoint {
            ProbeEndpoint::Node(number) => self.packets.nodes.get(number.wrapping_sub(1)).map(|node| &node.ports),
            ProbeEndpoint::Host(name) => {
                self.packets.external_hosts.iter().find(|one| one.name == *name).map(|one| &one.ports)
            }
            ProbeEndpoint::Pod(_) => None,
        };
        let name = ports.and_then(|ports| ports.get(uplink)).cloned();
        *tap = Tap::Name(
            name.ok_or_else(|| TestbedError::new(STAGE, format!("{endpoint:?} has no port on uplink {uplink}")))?,
        );
        Ok(())
    }

    /// The number of the agent on a node: the node's position in the scenario.
    fn on_node(&self, node: &str) -> Result<usize, TestbedError> {
        let found = self.packets.nodes.iter().position(|session| session.node == node);
        found.ok_or_else(|| TestbedError::new(STAGE, format!("node {node} is not one of the scenario's")))
    }

    fn session(&self, agent: usize) -> Option<&Session> {
        let places = self.packets.nodes.len();
        match agent.checked_sub(places) {
            None => self.packets.nodes.get(agent).map(|place| &place.session),
            Some(host) => self.packets.external_hosts.get(host).map(|host| &host.session),
        }
    }
}

impl ProbeEndpoints for Endpoints<'_> {
    fn locate(&self, endpoint: &ProbeEndpoint) -> Result<(usize, Target), TestbedError> {
        let none = || TestbedError::new(STAGE, format!("{endpoint:?} does not exist"));
        match endpoint {
            ProbeEndpoint::Pod(name) => {
                let staged = self.pods.iter().find(|staged| staged.pod.name == *name).ok_or_else(none)?;
                let pod = staged.ready().ok_or_else(none)?;
                let target =
                    Target::Sandbox { namespace: staged.namespace.clone(), name: pod.name_any(), uid: uid_of(pod) };
                Ok((self.on_node(&node_of(pod))?, target))
            }
            ProbeEndpoint::Node(number) => {
                let place = number.checked_sub(1).filter(|place| *place < self.packets.nodes.len());
                Ok((place.ok_or_else(none)?, Target::Node))
            }
            ProbeEndpoint::Host(name) => {
                let place = self.packets.external_hosts.iter().position(|one| one.name == *name).ok_or_else(none)?;
                Ok((self.packets.nodes.len() + place, Target::Node))
            }
        }
    }

    fn call(&self, agent: usize, op: Op, deadline: Duration) -> BoxFuture<'_, Result<Outcome, TestbedError>> {
        async move {
            let session =
                self.session(agent).ok_or_else(|| TestbedError::new(STAGE, format!("there is no agent {agent}")))?;
            session.call(STAGE, op, deadline).await
        }
        .boxed()
    }
}
