//! A staged scenario: a private node with its pods.

use super::attach::PodIdentity;
use super::lane::OpenNetns;
use super::leases::LeaseFolders;
use super::pod::StagedPod;
use super::pod_state::read_pod;
use crate::agent::NodeAgent;
use crate::context::{Context, Keep};
use crate::lane::{EntryCommand, StagedScenario, Staging, TearDown};
use crate::traces::{self, NodeTraces};
use crate::wire::ProbeEndpoints;
use futures::FutureExt;
use futures::future::BoxFuture;
use plumbline_core::guest::TERWAY_PLUGIN;
use plumbline_core::observe::{NodeObservation, Observation, PodObservation, PodState};
use plumbline_core::plan::{Bridge, DefaultNetwork, Device, Plan, PortMapping, ProbeEndpoint, Topology};
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::wire::WireObservation;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, EffectId, Run, start_time};
use std::path::Path;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Deadline of one plugin call, where the options have none.
const PLUGIN_DEADLINE: Duration = Duration::from_secs(60);

/// A private node with its pods, or several nodes of the topology: one agent owns them all. When it is dropped without
/// being closed, the kernel removes everything on it, unless it is kept.
pub struct NetnsScenario {
    agent: Option<NodeAgent>,
    plan: Plan,
    /// The node's name in observations; where there are several, its number follows.
    node: &'static str,
    pods: Vec<StagedPod>,
    /// The traces on the nodes before the pods, where they are compared.
    before: Option<NodeTraces>,
    staging: Staging,
    kept: Option<KeptNode>,
    /// Cancelled when the user interrupts the run.
    cancel: CancellationToken,
}

/// A journal of its own for a node that may be kept: the end of the run undoes the run's journal, and a
/// kept node is removed by `gc`.
struct KeptNode {
    journal: Run,
    node: EffectId,
}

/// Makes the node, its bridges and its pods.
///
/// # Errors
/// [`TestbedError`].
pub async fn stage(lane: &OpenNetns, cx: &Context, plan: &Plan) -> Result<NetnsScenario, TestbedError> {
    let mut agent = lane.nodes.start_agent().await?;
    agent.check_protocol().await?;
    let kept = match cx.options.keep {
        Keep::Never => None,
        Keep::OnFailure | Keep::Always => Some(keep_node(&mut agent).await?),
    };
    make_topology(&plan.topology, &mut agent).await?;
    let before = match traces::are_expected(plan) {
        true => Some(NodeTraces::read_traces(plan.topology.nodes, &mut agent).await?),
        false => None,
    };
    let networks = lane.networks.for_topology(&plan.topology);
    let mut pods = Vec::new();
    for (number, pod) in plan.pods.iter().enumerate() {
        let identity = PodIdentity {
            pod: pod.name.clone(),
            node: plan.topology.node_of(pod.node, number),
            namespace: pod.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            container_id: format!("{}-{number}", cx.run.id()),
            deadline: cx.options.plugin_deadline.unwrap_or(PLUGIN_DEADLINE),
            port_mappings: pod.port_mappings().iter().map(PortMapping::runtime).collect(),
        };
        pods.push(StagedPod::make(plan, pod, &identity, &networks, &mut agent).await?);
    }
    Ok(NetnsScenario {
        agent: Some(agent),
        plan: plan.clone(),
        node: lane.nodes.name(),
        pods,
        before,
        staging: describe_staging(lane, plan),
        kept,
        cancel: cx.cancel.clone(),
    })
}

/// Makes the topology. The usual case, bridges of one node, takes one short call.
async fn make_topology(topology: &Topology, agent: &mut NodeAgent) -> Result<(), TestbedError> {
    let alone = |bridge: &Bridge| bridge.uplink.is_none() && !bridge.vlan_filtering;
    let Topology { nodes, bridges, links, uplinks, hosts, ports, .. } = topology;
    let bare = ports.is_empty()
        && !topology.kube_mark_masq
        && topology.symmetric.is_none()
        && topology.tuning_allow_list.is_empty();
    let small =
        bare && *nodes <= 1 && links.is_empty() && uplinks.is_empty() && hosts.is_empty() && bridges.iter().all(alone);
    match (small, bridges.is_empty()) {
        (true, true) => Ok(()),
        (true, false) => agent.make_bridges(bridges).await,
        (false, _) => agent.make_topology(topology).await,
    }
}

/// Writes the node into a journal, then makes the agent run on after the end of this process.
async fn keep_node(agent: &mut NodeAgent) -> Result<KeptNode, TestbedError> {
    const STAGE: &str = "keep the node";
    let journal = Run::begin("kept node")?;
    let pid = agent.pid().ok_or_else(|| {
        TestbedError::new(STAGE, "only a node on this host can be kept; in a virtual machine it ends with its session")
            .with_hint("run without --keep")
    })?;
    let start = start_time(pid).ok_or_else(|| TestbedError::new(STAGE, format!("process {pid} has ended")))?;
    let node = journal.intend(Effect::Process { pid, start, what: "a netns node".to_owned() })?;
    agent.stay().await?;
    Ok(KeptNode { journal, node })
}

fn describe_staging(lane: &OpenNetns, plan: &Plan) -> Staging {
    let used = |plugin: &str| {
        let chains = plan.networks.iter().filter_map(|network| network.chain.as_ref());
        let default = plan.topology.default_network.iter().flat_map(DefaultNetwork::plugins);
        chains.flat_map(|chain| &chain.links).any(|link| link.plugin == plugin || link.conf["ipam"]["type"] == plugin)
            || default.into_iter().any(|one| one == plugin)
    };
    // Terway's own plugin runs instead of its stand-in.
    let real_terway =
        plan.topology.ports.iter().any(|port| port.eni.as_ref().is_some_and(|eni| eni.device == Device::Virtio));
    let stands = |plugin: &str| used(plugin) && !(real_terway && plugin == TERWAY_PLUGIN);
    let ours = lane.binaries.stand_ins.iter().filter(|(plugin, _)| stands(plugin));
    let ours =
        ours.map(|(plugin, about)| if about.contains(plugin) { about.clone() } else { format!("{plugin}: {about}") });
    Staging {
        adaptations: Vec::new(),
        isolation: Some(lane.nodes.isolation().to_owned()),
        stand_ins: ours
            .chain(real_terway.then(|| DAEMON.to_owned()))
            .chain(node_stand_ins(&plan.topology))
            .chain(lane.binaries.overrides.iter().cloned())
            .collect(),
        ready_us: 0,
    }
}

/// The stand-ins beside Terway's own plugin.
const DAEMON: &str = "plumbline's stand-in for Terway's daemon, and proxy ARP on the ENI in place of the VPC; the plugin is Terway's own";

/// Rules that Plumbline makes on the node instead of another program, each a line.
fn node_stand_ins(topology: &Topology) -> Vec<String> {
    let symmetric =
        topology.symmetric.as_ref().map(|_| "symmetric routing made by Plumbline as terway-cli does".to_owned());
    let kube = || "KUBE-MARK-MASQ and its masquerade made by Plumbline as kube-proxy does".to_owned();
    symmetric.into_iter().chain(topology.kube_mark_masq.then(kube)).collect()
}

impl NetnsScenario {
    fn agent(&mut self) -> Result<&mut NodeAgent, TestbedError> {
        self.agent.as_mut().ok_or_else(|| TestbedError::new("observe", "the node is closed"))
    }

    /// The name of a node, counted from 1.
    fn node_name(&self, node: usize) -> String {
        if self.plan.topology.nodes <= 1 { self.node.to_owned() } else { format!("{}-{node}", self.node) }
    }

    async fn read_observation(&mut self) -> Result<Observation, TestbedError> {
        let ranges = self.plan.topology.cluster_ranges.clone();
        let mut observation = Observation { cluster_ranges: ranges, ..Observation::default() };
        for place in 0..self.pods.len() {
            let (name, running) = (self.pods[place].name.clone(), self.pods[place].state == PodState::Running);
            let seen = if running { Some(read_pod(&name, self.agent()?).await?) } else { None };
            let pod = &self.pods[place];
            let mut pod = PodObservation {
                pod: name,
                node: self.node_name(pod.node),
                state: pod.state.clone(),
                reported: pod.reported.clone(),
                outcomes: pod.outcomes.clone(),
                log: pod.log.clone(),
                ..PodObservation::default()
            };
            if let Some(seen) = seen {
                pod.transcripts = seen.transcripts;
                pod.kernel = Some(seen.kernel);
                pod.witnesses = seen.witnesses;
                pod.node_links = Some(seen.node_links);
                pod.sysctls = seen.sysctls;
                let names = self.plan.sysctls_of(&pod.pod);
                if !names.is_empty() {
                    pod.sysctls.extend(self.agent()?.read_sysctls(Target::Pod(pod.pod.clone()), names).await?);
                }
            }
            observation.pods.push(pod);
        }
        for node in 1..=self.plan.topology.nodes.max(1) {
            if self.plan.wants_nodes() {
                let seen = self.agent()?.observe(Target::NodeAt(node), false).await?;
                observation.nodes.push(NodeObservation { node, name: self.node_name(node), kernel: seen.kernel });
            }
        }
        observation.wire = self.probe_wire(&observation).await?;
        Ok(observation)
    }

    /// Sends and captures packets, if the plan has probes.
    async fn probe_wire(&mut self, observation: &Observation) -> Result<Option<WireObservation>, TestbedError> {
        let Some(script) = plumbline_core::script::build_script(&self.plan, observation) else { return Ok(None) };
        let endpoints = NodeEndpoints(Mutex::new(self.agent()?));
        Ok(Some(crate::wire::run_with_wider_windows(script, &endpoints, |script| Ok(script.clone())).await?))
    }

    /// PID 1 of the node as the host counts it: the only child of the agent's outer process.
    fn init_pid(&self) -> Option<u32> {
        let outer = self.agent.as_ref()?.pid()?;
        let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl StagedScenario for NetnsScenario {
    fn staging(&self) -> &Staging {
        &self.staging
    }

    fn observe<'a>(&'a mut self, _cx: &'a Context) -> BoxFuture<'a, Result<Observation, TestbedError>> {
        self.read_observation().boxed()
    }

    fn entry_commands(&self) -> Vec<EntryCommand> {
        let Some(init) = self.init_pid() else { return Vec::new() };
        // The owner of a user namespace enters it without root, but must keep the credentials.
        let user = Path::new("/proc/self/ns/user").read_link().ok()
            != Path::new(&format!("/proc/{init}/ns/user")).read_link().ok();
        let enter = match user {
            true => format!("nsenter --target {init} --user --preserve-credentials --mount --net --pid --ipc --uts"),
            false => format!("nsenter --target {init} --mount --net --pid --ipc --uts"),
        };
        let node = EntryCommand { target: "the node".to_owned(), command: format!("{enter} sh") };
        let pods = self.pods.iter().map(|pod| EntryCommand {
            target: format!("pod {}", pod.name),
            command: format!("{enter} nsenter --net=/run/netns/{} sh", pod.name),
        });
        std::iter::once(node).chain(pods).collect()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, TearDown> {
        async move {
            let mut closed = TearDown::default();
            let Some(mut agent) = self.agent.take() else { return closed };
            // An interrupted run does not wait for plugins: the kernel removes the node with everything on it.
            let mut folders = LeaseFolders::default();
            let mut gone = Vec::new();
            for pod in std::mem::take(&mut self.pods).into_iter().rev().filter(|_| !self.cancel.is_cancelled()) {
                pod.add_lease_folders(&mut folders);
                gone.push(pod.traces());
                let name = pod.name.clone();
                let removal = pod.remove(&mut agent).await;
                closed.left_behind.extend(removal.left_behind);
                closed.removals.push((name, removal.outcomes));
            }
            if !self.cancel.is_cancelled() {
                let (leaks, unread) = folders.find_leaks(&mut agent).await;
                closed.leaks = leaks;
                closed.left_behind.extend(unread);
                if let Some(before) = self.before.take() {
                    let (leaks, unread) = before.find_leaks(&gone, &mut agent).await;
                    closed.leaks.get_or_insert_default().extend(leaks);
                    closed.left_behind.extend(unread);
                }
            }
            closed.left_behind.extend(end_agent(&mut agent, self.kept.take()).await);
            closed
        }
        .boxed()
    }
}

/// Ends the agent and checks that it has ended. The kernel removes everything on the node.
async fn end_agent(agent: &mut NodeAgent, kept: Option<KeptNode>) -> Option<String> {
    let pid = agent.pid();
    if kept.is_some() {
        agent.kill().await;
    } else {
        agent.end().await;
    }
    if let Some(pid) = pid.filter(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
        return Some(format!("process {pid}, the node's agent, still runs"));
    }
    let KeptNode { journal, node } = kept?;
    journal.done(node).err().map(|error| error.to_string())
}

impl Drop for NetnsScenario {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take().filter(|_| self.kept.is_some()) {
            agent.detach();
        }
    }
}

/// The endpoints of a private node: one agent has them all.
struct NodeEndpoints<'a>(Mutex<&'a mut NodeAgent>);

impl ProbeEndpoints for NodeEndpoints<'_> {
    fn locate(&self, party: &ProbeEndpoint) -> Result<(usize, Target), TestbedError> {
        let target = match party {
            ProbeEndpoint::Pod(name) => Target::Pod(name.clone()),
            ProbeEndpoint::Host(name) => Target::Host(name.clone()),
            ProbeEndpoint::Node(number) => Target::NodeAt(*number),
        };
        Ok((0, target))
    }

    fn call(&self, _agent: usize, op: Op, deadline: Duration) -> BoxFuture<'_, Result<Outcome, TestbedError>> {
        async move {
            let mut agent = self.0.lock().await;
            match agent.call(op, deadline).await {
                Ok(outcome) => Ok(outcome),
                Err(error) => Err(agent.testbed_error("probe the wire", error).await),
            }
        }
        .boxed()
    }
}
