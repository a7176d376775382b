//! One pod: its making, what came of it, its end.

use super::attach::{Delegate, Identity};
use super::leases::Folders;
use super::networks::{Configured, NodeNetworks, named, possible};
use crate::agent::LocalAgent;
use plumbline_core::cni::{ChainOutcome, CniCommand, Exit};
use plumbline_core::observe::traces::RemovedPod;
use plumbline_core::observe::{LogLine, PodState, Reported, printable};
use plumbline_core::plan::{Plan, Pod};
use plumbline_testbed::error::TestbedError;
use std::net::IpAddr;

/// What Multus names the event of a network that is not there (multus-cni, pkg/k8sclient/k8sclient.go).
const NO_NETWORK: &str = "NoNetworkFound";

/// A pod that was made.
pub struct StagedPod {
    /// Its name.
    pub name: String,
    /// The node it is on, from 1.
    pub node: usize,
    /// Whether it came up.
    pub state: PodState,
    /// Each chain run, by network name in order, the DELs after a failure included.
    pub outcomes: Vec<(String, ChainOutcome)>,
    /// What is reported of each attachment.
    pub reported: Vec<Reported>,
    /// What plugins said beside their results, and what Multus would have said.
    pub log: Vec<LogLine>,
    /// Its container id.
    container_id: String,
    /// Every network that it was given to, whether or not that failed.
    given: Vec<Configured>,
    /// What it is attached to, in order.
    attached: Vec<Delegate>,
}

impl StagedPod {
    /// Makes a pod and attaches it: the node's networks first, then those it asks for, in their order.
    ///
    /// # Errors
    /// [`TestbedError`]. A plugin that fails is none: the pod's state says so.
    pub async fn make(
        plan: &Plan,
        pod: &Pod,
        identity: &Identity,
        networks: &NodeNetworks,
        agent: &mut LocalAgent,
    ) -> Result<Self, TestbedError> {
        possible(pod)?;
        let mut staged = Self {
            name: pod.name.clone(),
            node: identity.node,
            state: PodState::Running,
            outcomes: Vec::new(),
            reported: Vec::new(),
            log: Vec::new(),
            container_id: identity.container_id.clone(),
            given: Vec::new(),
            attached: Vec::new(),
        };
        agent.pod_add(&pod.name, identity.node).await?;
        let mut delegates =
            vec![identity.own(&networks.loopback, "lo"), identity.own(&networks.default(identity.node)?, "eth0")];
        for asked in &pod.attachments {
            match named(plan, pod, asked)? {
                Ok(configured) => delegates.push(identity.asked(pod, asked, configured)?),
                // Multus looks all networks up before it attaches any.
                Err(missing) => {
                    let reason =
                        format!("network {}: {} (the netns lane's own wording)", missing.network, missing.words);
                    staged.log.push(LogLine {
                        origin: "netns lane, as Multus's event".to_owned(),
                        reason: NO_NETWORK.to_owned(),
                        text: missing.words,
                    });
                    staged.state = PodState::NotReady { reason };
                    return Ok(staged);
                }
            }
        }
        for delegate in delegates {
            let outcome = delegate.give(CniCommand::Add, agent).await?;
            let failure = delegate.failure(&outcome);
            staged.note(&delegate, outcome);
            staged.given.push(delegate.configured.clone());
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
        self.listen(&outcome);
        if delegate.interface != "lo" && outcome.error.is_none() {
            self.reported.push(Reported {
                interface: delegate.interface.clone(),
                network: delegate.configured.network.clone(),
                result: outcome.result.clone(),
                status: None,
            });
        }
        self.outcomes.push((delegate.configured.network.clone(), outcome));
    }

    /// After a failure: DEL from the failed network down to the first, whatever they answer (`delPlugins` of Multus).
    async fn undo(&mut self, agent: &mut LocalAgent) -> Result<(), TestbedError> {
        while let Some(delegate) = self.attached.pop() {
            let outcome = delegate.give(CniCommand::Del, agent).await?;
            self.listen(&outcome);
            self.outcomes.push((delegate.configured.network.clone(), outcome));
        }
        Ok(())
    }

    /// Text on standard error of a plugin that succeeded: nothing else would ever show it.
    fn listen(&mut self, outcome: &ChainOutcome) {
        for call in outcome.calls.iter().filter(|call| call.exit == Exit::Code(0)) {
            self.log.extend(call.stderr.lines().filter(|line| !line.trim().is_empty()).map(|line| LogLine {
                origin: "plugin stderr".to_owned(),
                reason: String::new(),
                text: format!("{}: {}", call.plugin, printable(line)),
            }));
        }
    }

    /// Where IPAM may have leases of this pod, attached by now or not.
    pub fn leases(&self, folders: &mut Folders) {
        folders.holder(&self.container_id, &self.name);
        self.given.iter().for_each(|configured| folders.add(self.node, configured));
    }

    /// By what its traces on a node are known.
    pub fn gone(&self) -> RemovedPod {
        let results = self.reported.iter().filter_map(|one| one.result.as_ref());
        let ips = results.flat_map(|result| result["ips"].as_array().into_iter().flatten());
        let bare = |ip: &serde_json::Value| ip["address"].as_str()?.split('/').next()?.parse::<IpAddr>().ok();
        let addresses: Vec<IpAddr> = ips.filter_map(bare).collect();
        let marks = std::iter::once(self.container_id.clone()).chain(addresses.iter().map(ToString::to_string));
        RemovedPod { pod: self.name.clone(), marks: marks.collect(), addresses }
    }

    /// Takes the pod off its networks in reverse and removes it. Gives what could not be undone, each a line.
    pub async fn end(mut self, agent: &mut LocalAgent) -> Vec<String> {
        let mut left = Vec::new();
        while let Some(delegate) = self.attached.pop() {
            match delegate.give(CniCommand::Del, agent).await {
                Ok(ChainOutcome { error: Some(error), .. }) => {
                    left.push(format!("pod {}: {}", self.name, error.message))
                }
                Ok(_) => {}
                Err(fault) => left.push(format!("pod {}: {fault}", self.name)),
            }
        }
        if let Err(fault) = agent.pod_del(&self.name).await {
            left.push(format!("pod {}: {fault}", self.name));
        }
        left
    }
}
