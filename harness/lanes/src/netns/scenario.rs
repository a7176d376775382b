//! A staged plan: a private node with its pods.

use super::attach::Identity;
use super::lane::OpenNetns;
use super::leases::Folders;
use super::parties::Bed;
use super::pod::StagedPod;
use super::witness;
use crate::agent::LocalAgent;
use crate::context::{Context, Keep};
use crate::lane::{Closed, Scene, Staging};
use crate::traces::{self, Before};
use futures::FutureExt;
use futures::future::BoxFuture;
use plumbline_core::guest::TERWAY_PLUGIN;
use plumbline_core::observe::{NodeObservation, Observation, PodObservation, PodState};
use plumbline_core::plan::{Bridge, DefaultNetwork, Device, Plan, PortMapping, Topology};
use plumbline_core::protocol::Target;
use plumbline_core::wire::WireObservation;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, EffectId, Run, start_time};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Deadline of one plugin call, where none is asked for.
const PLUGIN_DEADLINE: Duration = Duration::from_secs(60);

/// A private node with its pods, or several where the topology has them: one agent owns them all. Dropped without being
/// closed it goes with everything on it, unless it is kept.
pub struct NetnsScene {
    agent: Option<LocalAgent>,
    plan: Plan,
    /// The node's name in observations; where there are several, its number follows.
    node: &'static str,
    pods: Vec<StagedPod>,
    /// What the nodes had before the pods, where it is to be compared.
    before: Option<Before>,
    staging: Staging,
    keeping: Option<Keeping>,
    /// Cancelled when the user wants out.
    cancel: CancellationToken,
}

/// A journal of its own for a node that may be kept: what is in the run's journal is undone when the run ends, and a
/// kept node is for `gc`.
struct Keeping {
    journal: Run,
    node: EffectId,
}

/// Makes the node, its bridges and its pods.
///
/// # Errors
/// [`TestbedError`].
pub async fn stage(lane: &OpenNetns, cx: &Context, plan: &Plan) -> Result<NetnsScene, TestbedError> {
    let mut agent = lane.nodes.agent().await?;
    agent.hello().await?;
    let keeping = match cx.options.keep {
        Keep::Never => None,
        Keep::OnFailure | Keep::Always => Some(keep(&mut agent).await?),
    };
    ground(&plan.topology, &mut agent).await?;
    let before = match traces::wanted(plan) {
        true => Some(
            Before::read(plan.topology.nodes, &mut agent)
                .await
                .map_err(|why| TestbedError::new("look at the nodes", why))?,
        ),
        false => None,
    };
    let networks = lane.networks.of(&plan.topology);
    let mut pods = Vec::new();
    for (number, pod) in plan.pods.iter().enumerate() {
        let identity = Identity {
            pod: pod.name.clone(),
            node: plan.topology.node_of(pod.node, number),
            namespace: pod.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            container_id: format!("{}-{number}", cx.run.id()),
            deadline: cx.options.plugin_deadline.unwrap_or(PLUGIN_DEADLINE),
            port_mappings: pod.port_mappings().iter().map(PortMapping::runtime).collect(),
        };
        pods.push(StagedPod::make(plan, pod, &identity, &networks, &mut agent).await?);
    }
    Ok(NetnsScene {
        agent: Some(agent),
        plan: plan.clone(),
        node: lane.nodes.name(),
        pods,
        before,
        staging: staging(lane, plan),
        keeping,
        cancel: cx.cancel.clone(),
    })
}

/// What is there before any pod. Bridges of one node are the usual case, and made the short way.
async fn ground(topology: &Topology, agent: &mut LocalAgent) -> Result<(), TestbedError> {
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
        (true, false) => agent.bridges(bridges).await,
        (false, _) => agent.topology(topology).await,
    }
}

/// Writes the node into a journal, then tells the agent to stay: it may outlive this process.
async fn keep(agent: &mut LocalAgent) -> Result<Keeping, TestbedError> {
    const STAGE: &str = "keep the node";
    let journal = Run::begin("kept node")?;
    let pid = agent.pid().ok_or_else(|| {
        TestbedError::new(STAGE, "only a node on this host can be kept: in a virtual machine it goes with its session")
            .with_hint("run without --keep")
    })?;
    let start = start_time(pid).ok_or_else(|| TestbedError::new(STAGE, format!("process {pid} has ended")))?;
    let node = journal.intend(Effect::Process { pid, start, what: "a netns node".to_owned() })?;
    agent.stay().await?;
    Ok(Keeping { journal, node })
}

fn staging(lane: &OpenNetns, plan: &Plan) -> Staging {
    let used = |plugin: &str| {
        let chains = plan.networks.iter().filter_map(|network| network.chain.as_ref());
        let default = plan.topology.default_network.iter().flat_map(DefaultNetwork::plugins);
        chains.flat_map(|chain| &chain.links).any(|link| link.plugin == plugin)
            || default.into_iter().any(|one| one == plugin)
    };
    // Where Terway's own plugin runs, the stand-in for it does not.
    let own = plan.topology.ports.iter().any(|port| port.eni.as_ref().is_some_and(|eni| eni.device == Device::Virtio));
    let stands = |plugin: &str| used(plugin) && !(own && plugin == TERWAY_PLUGIN);
    let ours = lane.binaries.stand_ins.iter().filter(|(plugin, _)| stands(plugin));
    let ours =
        ours.map(|(plugin, about)| if about.contains(plugin) { about.clone() } else { format!("{plugin}: {about}") });
    Staging {
        adaptations: Vec::new(),
        isolation: Some(lane.nodes.isolation().to_owned()),
        stand_ins: ours
            .chain(own.then(|| DAEMON.to_owned()))
            .chain(laid(&plan.topology))
            .chain(lane.binaries.overrides.iter().cloned())
            .collect(),
        ready_us: 0,
    }
}

/// What stands where Terway's own plugin runs.
const DAEMON: &str =
    "plumbline's stand-in for Terway's daemon, and proxy ARP on the ENI in the VPC's place; the plugin is Terway's own";

/// What Plumbline lays on the node in the place of others, each a line.
fn laid(topology: &Topology) -> Vec<String> {
    let symmetric =
        topology.symmetric.as_ref().map(|_| "symmetric routing laid by Plumbline as terway-cli does".to_owned());
    let kube = || "KUBE-MARK-MASQ and its masquerade laid by Plumbline as kube-proxy does".to_owned();
    symmetric.into_iter().chain(topology.kube_mark_masq.then(kube)).collect()
}

impl NetnsScene {
    fn agent(&mut self) -> Result<&mut LocalAgent, TestbedError> {
        self.agent.as_mut().ok_or_else(|| TestbedError::new("observe", "the node is closed"))
    }

    /// The name of a node, counted from 1.
    fn name(&self, node: usize) -> String {
        if self.plan.topology.nodes <= 1 { self.node.to_owned() } else { format!("{}-{node}", self.node) }
    }

    async fn look(&mut self) -> Result<Observation, TestbedError> {
        let ranges = self.plan.topology.cluster_ranges.clone();
        let mut observation = Observation { cluster_ranges: ranges, ..Observation::default() };
        for place in 0..self.pods.len() {
            let (name, running) = (self.pods[place].name.clone(), self.pods[place].state == PodState::Running);
            let seen = if running { Some(witness::see(&name, self.agent()?).await?) } else { None };
            let pod = &self.pods[place];
            let mut pod = PodObservation {
                pod: name,
                node: self.name(pod.node),
                state: pod.state.clone(),
                transcripts: Vec::new(),
                kernel: None,
                witnesses: Vec::new(),
                reported: pod.reported.clone(),
                outcomes: pod.outcomes.clone(),
                calls: Vec::new(),
                log: pod.log.clone(),
                node_links: None,
                sysctls: Default::default(),
            };
            let names = self.plan.sysctls_of(&pod.pod);
            let more = match seen.is_some() && !names.is_empty() {
                true => self.agent()?.sysctls(Target::Pod(pod.pod.clone()), names).await?,
                false => Default::default(),
            };
            if let Some(seen) = seen {
                pod.transcripts = seen.transcripts;
                pod.kernel = Some(seen.kernel);
                pod.witnesses = seen.witnesses;
                pod.node_links = Some(seen.node_links);
                pod.sysctls = seen.sysctls;
                pod.sysctls.extend(more);
            }
            observation.pods.push(pod);
        }
        for node in 1..=self.plan.topology.nodes.max(1) {
            if self.plan.wants_nodes() {
                let seen = self.agent()?.observe(Target::NodeAt(node), false).await?;
                observation.nodes.push(NodeObservation { node, name: self.name(node), kernel: seen.kernel });
            }
        }
        observation.wire = self.listen(&observation).await?;
        Ok(observation)
    }

    /// Acts on the wire, where the plan wants anything of it.
    async fn listen(&mut self, observation: &Observation) -> Result<Option<WireObservation>, TestbedError> {
        let Some(script) = plumbline_core::script::build_script(&self.plan, observation) else { return Ok(None) };
        let bed = Bed::new(self.agent()?);
        Ok(Some(crate::wire::act_in_time(script, &bed, |script| Ok(script.clone())).await?))
    }

    /// PID 1 of the node as the host counts it: the only child of the agent's outer process.
    fn init(&self) -> Option<u32> {
        let outer = self.agent.as_ref()?.pid()?;
        let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl Scene for NetnsScene {
    fn staging(&self) -> &Staging {
        &self.staging
    }

    fn observe<'a>(&'a mut self, _cx: &'a Context) -> BoxFuture<'a, Result<Observation, TestbedError>> {
        self.look().boxed()
    }

    fn doors(&self) -> Vec<String> {
        let Some(init) = self.init() else { return Vec::new() };
        // In a user namespace its owner gets in without root, but has to keep being who they are.
        let user = Path::new("/proc/self/ns/user").read_link().ok()
            != Path::new(&format!("/proc/{init}/ns/user")).read_link().ok();
        let enter = match user {
            true => format!("nsenter --target {init} --user --preserve-credentials --mount --net --pid --ipc --uts"),
            false => format!("nsenter --target {init} --mount --net --pid --ipc --uts"),
        };
        let pods = self.pods.iter().map(|pod| format!("{enter} nsenter --net=/run/netns/{} ip a", pod.name));
        std::iter::once(format!("{enter} sh")).chain(pods).collect()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, Closed> {
        async move {
            let mut closed = Closed::default();
            let Some(mut agent) = self.agent.take() else { return closed };
            // Who wants out does not wait for plugins: the kernel takes the node with all that is on it.
            let mut folders = Folders::default();
            let mut gone = Vec::new();
            for pod in std::mem::take(&mut self.pods).into_iter().rev().filter(|_| !self.cancel.is_cancelled()) {
                pod.leases(&mut folders);
                gone.push(pod.gone());
                closed.left_behind.extend(pod.end(&mut agent).await);
            }
            if !self.cancel.is_cancelled() {
                let (left, unseen) = folders.kept(&mut agent).await;
                closed.leaks = left;
                closed.left_behind.extend(unseen);
                if let Some(before) = self.before.take() {
                    let (stayed, unseen) = before.find_leaks(&gone, &mut agent).await;
                    closed.leaks.get_or_insert_default().extend(stayed);
                    closed.left_behind.extend(unseen);
                }
            }
            closed.left_behind.extend(ended(&mut agent, self.keeping.take()).await);
            closed
        }
        .boxed()
    }
}

/// Ends the agent and sees that it is gone, and with it everything on the node.
async fn ended(agent: &mut LocalAgent, keeping: Option<Keeping>) -> Option<String> {
    let pid = agent.pid();
    if keeping.is_some() {
        agent.kill().await;
    } else {
        agent.end().await;
    }
    if let Some(pid) = pid.filter(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
        return Some(format!("the node's agent, process {pid}, is still there"));
    }
    let Keeping { journal, node } = keeping?;
    journal.done(node).err().map(|error| error.to_string())
}

impl Drop for NetnsScene {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take().filter(|_| self.keeping.is_some()) {
            agent.leave();
        }
    }
}
