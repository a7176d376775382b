//! One pod: making it, its record, removing it.

use super::attach::{Delegate, PodIdentity};
use super::leases::LeaseFolders;
use super::networks::{FindNetworkError, NetworkConfig, NodeNetworks, check_pod, find_network};
use crate::agent::NodeAgent;
use plumbline_core::cni::{ChainOutcome, CniCommand, Exit};
use plumbline_core::observe::traces::RemovedPod;
use plumbline_core::observe::{LogLine, PodState, Reported, printable};
use plumbline_core::plan::{Plan, Pod};
use plumbline_testbed::error::TestbedError;
use std::net::IpAddr;

/// Multus's name for the event of a missing network (multus-cni, pkg/k8sclient/k8sclient.go).
const NO_NETWORK: &str = "NoNetworkFound";

/// A pod that was made.
pub struct StagedPod {
    /// Its name.
    pub name: String,
    /// The node it is on, from 1.
    pub node: usize,
    /// Its state.
    pub state: PodState,
    /// Each chain run, by network name in order, the DELs after a failure included.
    pub outcomes: Vec<(String, ChainOutcome)>,
    /// The reported result of each attachment.
    pub reported: Vec<Reported>,
    /// Text of plugins on standard error, and the event that Multus would have made.
    pub log: Vec<LogLine>,
    /// Its container id.
    container_id: String,
    /// Every network that was tried, failed ones too.
    tried: Vec<NetworkConfig>,
    /// Its attached networks, in order.
    attached: Vec<Delegate>,
}

/// What removing a pod gave.
#[derive(Default)]
pub struct PodRemoval {
    /// Outcome of each DEL, by network name in order; where it succeeded, that of a second one follows.
    pub outcomes: Vec<(String, ChainOutcome)>,
    /// A line for each failure.
    pub left_behind: Vec<String>,
}

impl StagedPod {
    /// Makes a pod and attaches it: the node's networks first, then those that it requests, in their order.
    ///
    /// # Errors
    /// [`TestbedError`]. A plugin that fails is no error: the pod's state reports it.
    pub async fn make(
        plan: &Plan,
        pod: &Pod,
        identity: &PodIdentity,
        networks: &NodeNetworks,
        agent: &mut NodeAgent,
    ) -> Result<Self, TestbedError> {
        check_pod(pod)?;
        let mut staged = Self {
            name: pod.name.clone(),
            node: identity.node,
            state: PodState::Running,
            outcomes: Vec::new(),
            reported: Vec::new(),
            log: Vec::new(),
            container_id: identity.container_id.clone(),
            tried: Vec::new(),
            attached: Vec::new(),
        };
        agent.add_pod(&pod.name, identity.node).await?;
        let mut delegates = vec![
            identity.node_network(&networks.loopback, "lo"),
            identity.node_network(&networks.default(identity.node)?, "eth0"),
        ];
        for requested in &pod.attachments {
            match find_network(plan, pod, requested) {
                Ok(config) => delegates.push(identity.requested_network(pod, requested, config)?),
                // Multus reads all networks before it attaches any.
                Err(FindNetworkError::Missing { network, message }) => {
                    let reason = format!("network {network}: {message} (the netns lane's own wording)");
                    staged.log.push(LogLine {
                        origin: "netns lane, as Multus's event".to_owned(),
                        reason: NO_NETWORK.to_owned(),
                        text: message,
                    });
                    staged.state = PodState::NotReady { reason };
                    return Ok(staged);
                }
                Err(FindNetworkError::Testbed(error)) => return Err(error),
            }
        }
        for delegate in delegates {
            let outcome = delegate.run(CniCommand::Add, agent).await?;
            let failure = delegate.failure(&outcome);
            staged.note(&delegate, outcome);
            staged.tried.push(delegate.config.clone());
            staged.attached.push(delegate);
            if let Some(reason) = failure {
                staged.state = PodState::NotReady { reason };
                staged.undo(agent).await?;
                break;
            }
        }
        Ok(staged)
    }

    fn note(&mut self, delegate: &Delegate, outcome: ChainOutcome) {
        self.note_stderr(&outcome);
        if delegate.interface != "lo" && outcome.error.is_none() {
            self.reported.push(Reported {
                interface: delegate.interface.clone(),
                network: delegate.config.network.clone(),
                result: outcome.result.clone(),
                status: None,
            });
        }
        self.outcomes.push((delegate.config.network.clone(), outcome));
    }

    /// After a failure: DEL from the failed network down to the first, whatever their result is (`delPlugins` of Multus).
    async fn undo(&mut self, agent: &mut NodeAgent) -> Result<(), TestbedError> {
        while let Some(delegate) = self.attached.pop() {
            let outcome = delegate.run(CniCommand::Del, agent).await?;
            self.note_stderr(&outcome);
            self.outcomes.push((delegate.config.network.clone(), outcome));
        }
        Ok(())
    }

    /// Notes the text on standard error of a plugin that succeeded, because no other output contains it.
    fn note_stderr(&mut self, outcome: &ChainOutcome) {
        for call in outcome.calls.iter().filter(|call| call.exit == Exit::Code(0)) {
            self.log.extend(call.stderr.lines().filter(|line| !line.trim().is_empty()).map(|line| LogLine {
                origin: "plugin stderr".to_owned(),
                reason: String::new(),
                text: format!("{}: {}", call.plugin, printable(line)),
            }));
        }
    }

    /// Adds the folders where IPAM may have leases of this pod, attached by now or not.
    pub fn add_lease_folders(&self, folders: &mut LeaseFolders) {
        folders.add_holder(&self.container_id, &self.name);
        self.tried.iter().for_each(|config| folders.add(self.node, config));
    }

    /// The identifiers of its traces on a node.
    pub fn traces(&self) -> RemovedPod {
        let results = self.reported.iter().filter_map(|one| one.result.as_ref());
        let ips = results.flat_map(|result| result["ips"].as_array().into_iter().flatten());
        let bare = |ip: &serde_json::Value| ip["address"].as_str()?.split('/').next()?.parse::<IpAddr>().ok();
        let addresses: Vec<IpAddr> = ips.filter_map(bare).collect();
        let marks = std::iter::once(self.container_id.clone()).chain(addresses.iter().map(ToString::to_string));
        RemovedPod { pod: self.name.clone(), marks: marks.collect(), addresses }
    }

    /// Detaches the pod from its networks in reverse order and removes it. Each DEL is run a second time, as kubelet does with
    /// a sandbox that it stops again: it must succeed and change nothing.
    pub async fn remove(mut self, agent: &mut NodeAgent) -> PodRemoval {
        let mut removal = PodRemoval::default();
        while let Some(delegate) = self.attached.pop() {
            match delegate.run(CniCommand::Del, agent).await {
                Ok(outcome) => {
                    let failure = outcome.error.as_ref().map(|error| format!("pod {}: {}", self.name, error.message));
                    let succeeded = failure.is_none();
                    removal.left_behind.extend(failure);
                    removal.outcomes.push((delegate.config.network.clone(), outcome));
                    if succeeded {
                        self.remove_again(&delegate, &mut removal, agent).await;
                    }
                }
                Err(error) => removal.left_behind.push(format!("pod {}: {error}", self.name)),
            }
        }
        if let Err(error) = agent.remove_pod(&self.name).await {
            removal.left_behind.push(format!("pod {}: {error}", self.name));
        }
        removal
    }

    /// Runs the DEL of a network again. Its failure is no fault of the testbed: nothing of the network is left.
    async fn remove_again(&self, delegate: &Delegate, removal: &mut PodRemoval, agent: &mut NodeAgent) {
        match delegate.run(CniCommand::Del, agent).await {
            Ok(outcome) => removal.outcomes.push((delegate.config.network.clone(), outcome)),
            Err(error) => removal.left_behind.push(format!("pod {}: {error}", self.name)),
        }
    }
}
