//! One function for each operation of the agent, with the answer that belongs to it.

use super::node_agent::NodeAgent;
use plumbline_core::cni::ChainOutcome;
use plumbline_core::plan::{Bridge, Topology};
use plumbline_core::protocol::{CniRequest, Observed, Op, Outcome, PROTOCOL_VERSION, PluginVersion, Probed, Target};
use plumbline_testbed::agent_client::Unanswered;
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use std::time::Duration;

/// Deadline of short operations of the kernel. Long, because a host under load is no error.
const SHORT: Duration = Duration::from_secs(30);

/// Deadline for starting every plugin once, also on an emulated processor.
const LONG: Duration = Duration::from_secs(120);

/// Added to the deadlines of the plugins.
const MARGIN: Duration = Duration::from_secs(10);

impl NodeAgent {
    /// Checks that the agent has this protocol version and has made its node.
    ///
    /// # Errors
    /// [`TestbedError`] with both versions if they differ, or with the reason why the node was not made.
    pub async fn check_protocol(&mut self) -> Result<(), TestbedError> {
        const STAGE: &str = "make a private node";
        match self.call(Op::Hello, SHORT).await {
            Ok(Outcome::Hello { protocol: PROTOCOL_VERSION, .. }) => Ok(()),
            Ok(Outcome::Hello { protocol, version }) => Err(TestbedError::new(
                STAGE,
                format!("agent {version} speaks protocol {protocol}, expected {PROTOCOL_VERSION}"),
            )
            .with_hint("use the agent of the same release")),
            Ok(other) => Err(unexpected(STAGE, &other)),
            Err(Unanswered::Fault(fault)) => {
                let hint = "`plumbline doctor` shows what this host allows";
                Err(TestbedError::new(STAGE, format!("{}: {}", fault.doing, fault.cause)).with_hint(hint))
            }
            Err(error) => Err(self.testbed_error(STAGE, error).await),
        }
    }

    /// Makes bridges.
    ///
    /// # Errors
    /// [`TestbedError`].
    pub async fn make_bridges(&mut self, bridges: &[Bridge]) -> Result<(), TestbedError> {
        self.call_done("make bridges", Op::Bridges(bridges.to_vec())).await
    }

    /// Makes a whole topology: nodes beside the first, uplinks, bridges, VLAN links, hosts.
    ///
    /// # Errors
    /// [`TestbedError`].
    pub async fn make_topology(&mut self, topology: &Topology) -> Result<(), TestbedError> {
        self.call_done("make the topology", Op::Topology(topology.clone())).await
    }

    /// Makes a pod on a node, counted from 1. Gives the path of its network namespace on the node.
    ///
    /// # Errors
    /// [`TestbedError`].
    pub async fn add_pod(&mut self, name: &str, node: usize) -> Result<String, TestbedError> {
        const STAGE: &str = "make a pod";
        match self.call_at_stage(STAGE, Op::PodAdd { name: name.to_owned(), node }, SHORT).await? {
            Outcome::Netns { path } => Ok(path),
            other => Err(unexpected(STAGE, &other)),
        }
    }

    /// Removes a pod.
    ///
    /// # Errors
    /// [`TestbedError`], also when it is gone already.
    pub async fn remove_pod(&mut self, name: &str) -> Result<(), TestbedError> {
        self.call_done("remove a pod", Op::PodDel { name: name.to_owned() }).await
    }

    /// Runs a chain. A failed chain is an outcome, not an error.
    ///
    /// # Errors
    /// [`TestbedError`].
    pub async fn run_chain(&mut self, request: CniRequest, links: usize) -> Result<ChainOutcome, TestbedError> {
        const STAGE: &str = "run a chain";
        let each = Duration::from_millis(request.deadline_ms);
        let deadline = each.saturating_mul(u32::try_from(links.max(1)).unwrap_or(u32::MAX)).saturating_add(MARGIN);
        match self.call_at_stage(STAGE, Op::Cni(request), deadline).await? {
            Outcome::Chain(outcome) => Ok(outcome),
            other => Err(unexpected(STAGE, &other)),
        }
    }

    /// Reads a namespace.
    ///
    /// # Errors
    /// [`TestbedError`], also when it is gone.
    pub async fn observe(&mut self, target: Target, with_ip: bool) -> Result<Observed, TestbedError> {
        const STAGE: &str = "observe";
        match self.call_at_stage(STAGE, Op::Observe { target, with_ip }, SHORT).await? {
            Outcome::Observed(observed) => Ok(observed),
            other => Err(unexpected(STAGE, &other)),
        }
    }

    /// Reads sysctls of a namespace, by name. Missing sysctls are left out.
    ///
    /// # Errors
    /// [`TestbedError`], also when the namespace is gone.
    pub async fn read_sysctls(
        &mut self,
        target: Target,
        names: Vec<String>,
    ) -> Result<BTreeMap<String, String>, TestbedError> {
        const STAGE: &str = "read sysctls";
        match self.call_at_stage(STAGE, Op::Sysctls { target, names }, SHORT).await? {
            Outcome::Sysctls(found) => Ok(found),
            other => Err(unexpected(STAGE, &other)),
        }
    }

    /// Starts plugins to read their versions. An empty list means all plugins.
    ///
    /// # Errors
    /// [`TestbedError`].
    pub async fn read_plugin_versions(&mut self, plugins: Vec<String>) -> Result<Vec<PluginVersion>, TestbedError> {
        const STAGE: &str = "start the plugins";
        match self.call_at_stage(STAGE, Op::CniVersions { plugins }, LONG).await? {
            Outcome::Versions(versions) => Ok(versions),
            other => Err(unexpected(STAGE, &other)),
        }
    }

    /// Probes what the kernel can do.
    ///
    /// # Errors
    /// [`TestbedError`].
    pub async fn probe_kernel(&mut self) -> Result<BTreeMap<String, Probed>, TestbedError> {
        const STAGE: &str = "probe the kernel";
        match self.call_at_stage(STAGE, Op::Probe, SHORT).await? {
            Outcome::Probed(probed) => Ok(probed),
            other => Err(unexpected(STAGE, &other)),
        }
    }

    /// Makes the agent run on when this process ends.
    ///
    /// # Errors
    /// [`TestbedError`].
    pub async fn stay(&mut self) -> Result<(), TestbedError> {
        self.call_done("keep the node", Op::Stay).await
    }

    async fn call_done(&mut self, stage: &str, op: Op) -> Result<(), TestbedError> {
        match self.call_at_stage(stage, op, SHORT).await? {
            Outcome::Done => Ok(()),
            other => Err(unexpected(stage, &other)),
        }
    }

    async fn call_at_stage(&mut self, stage: &str, op: Op, deadline: Duration) -> Result<Outcome, TestbedError> {
        match self.call(op, deadline).await {
            Ok(outcome) => Ok(outcome),
            Err(error) => Err(self.testbed_error(stage, error).await),
        }
    }
}

fn unexpected(stage: &str, outcome: &Outcome) -> TestbedError {
    let text = serde_json::to_string(outcome).unwrap_or_default();
    TestbedError::new(stage, format!("the agent gave an answer of another kind: {text:.200}"))
}
