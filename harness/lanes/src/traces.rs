//! Traces of pods on nodes: read by the node's agent before pods are made and after they were removed.

use crate::agent::NodeAgent;
use futures::future::BoxFuture;
use plumbline_cluster::node::Node;
use plumbline_core::observe::traces::{RemovedPod, Traces, find_leaks};
use plumbline_core::observe::{KernelState, Leak, LeakKind};
use plumbline_core::plan::Plan;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline};
use std::time::Duration;

const STAGE: &str = "read traces";
/// Deadline of a program that lists rules. An emulated processor is slow.
const LISTING: Duration = Duration::from_secs(20);
/// How long the kernel may take to remove an unused namespace.
const NAMESPACE: Duration = Duration::from_secs(3);
/// Interval between two readings.
const PAUSE: Duration = Duration::from_millis(30);
/// Programs that print rules in the form of `iptables-save`.
const SAVED: [&str; 2] = ["iptables-save", "ip6tables-save"];
const RULESET: [&str; 3] = ["nft", "list", "ruleset"];
/// Prints the tracked connections of its namespace: from `$1`, the kernel's own list (absent in kernels built without
/// `CONFIG_NF_CONNTRACK_PROCFS`), else by the program `conntrack`. Prints nothing if the other arguments don't exist: then the
/// kernel tracks no connections. Connections that can't be listed are an error, not an empty list.
const CONNECTIONS: &str = r#"
[ ! -e "$1" ] || exec cat "$1"
[ -e "$2" ] || [ -e "$3" ] || exit 0
if command -v conntrack >/dev/null 2>&1; then
    conntrack -L -f ipv4 -o extended && conntrack -L -f ipv6 -o extended
    exit
fi
echo "connections are tracked, but $1 does not exist; install the program conntrack" >&2
exit 1
"#;
const TRACKED: [&str; 3] =
    ["/proc/net/nf_conntrack", "/proc/sys/net/netfilter/nf_conntrack_max", "/sys/module/nf_conntrack"];

/// The traces on each node before any pod was made.
#[derive(Debug, Default)]
pub struct NodeTraces(Vec<Traces>);

/// An operation on a node, made from the node's target.
pub type NodeOp = Box<dyn FnOnce(Target) -> Op + Send>;
/// The outcome, or the reason of its absence.
pub type NodeOutcome<'a> = BoxFuture<'a, Result<Outcome, TestbedError>>;

/// The agents of nodes, counted from 1.
pub trait NodeAgents: Send {
    /// Calls the agent of a node.
    fn call(&mut self, node: usize, op: NodeOp) -> NodeOutcome<'_>;
}

impl NodeAgents for NodeAgent {
    fn call(&mut self, node: usize, op: NodeOp) -> NodeOutcome<'_> {
        Box::pin(async move {
            let called = Self::call(self, op(Target::NodeAt(node)), LISTING + LISTING).await;
            called.map_err(|unanswered| error(unanswered.to_string()))
        })
    }
}

impl NodeAgents for &[Node] {
    fn call(&mut self, node: usize, op: NodeOp) -> NodeOutcome<'_> {
        Box::pin(async move {
            let on = self.get(node.wrapping_sub(1)).ok_or_else(|| error("there is no such node"))?;
            match on.call_aside(op(Target::Node)).await? {
                Outcome::Fault(fault) => Err(error(format!("{}: {}", fault.doing, fault.cause))),
                outcome => Ok(outcome),
            }
        })
    }
}

/// Whether a plan's pods can leave traces on nodes: host ports, or policy routing.
pub fn are_expected(plan: &Plan) -> bool {
    let routed = plan.topology.ports.iter().any(|port| port.eni.is_some());
    routed || plan.pods.iter().any(|pod| !pod.port_mappings().is_empty())
}

impl NodeTraces {
    /// Reads all nodes.
    ///
    /// # Errors
    /// [`TestbedError`] with the node that could not be read.
    pub async fn read_traces(nodes: usize, agent: &mut dyn NodeAgents) -> Result<Self, TestbedError> {
        let mut all = Vec::new();
        for node in 1..=nodes.max(1) {
            all.push(read_traces(node, agent).await.map_err(|why| error(format!("node {node}: {}", why.cause())))?);
        }
        Ok(Self(all))
    }

    /// How many nodes were read.
    pub fn nodes(&self) -> usize {
        self.0.len()
    }

    /// The leaks: new traces that are still there. Also a line for each failed reading.
    pub async fn find_leaks(&self, gone: &[RemovedPod], agent: &mut dyn NodeAgents) -> (Vec<Leak>, Vec<String>) {
        let (mut left, mut lines) = (Vec::new(), Vec::new());
        for (place, before) in self.0.iter().enumerate() {
            let node = format!("node {}", place + 1);
            match self.find_leaks_on(place, before, gone, &node, agent).await {
                Ok(stayed) => left.extend(stayed),
                Err(why) => lines.push(format!("{node}: leaks of pods can't be read: {}", why.cause())),
            }
        }
        (left, lines)
    }

    /// The leaks on one node, after the kernel has removed the pods' namespaces. The kernel removes a namespace later, with the
    /// ends of its veths and the routes through them.
    async fn find_leaks_on(
        &self,
        place: usize,
        before: &Traces,
        gone: &[RemovedPod],
        node: &str,
        agent: &mut dyn NodeAgents,
    ) -> Result<Vec<Leak>, TestbedError> {
        let deadline = Deadline::after(NAMESPACE);
        loop {
            let left = find_leaks(before, &read_traces(place + 1, agent).await?, gone, node);
            if deadline.over() || !left.iter().any(|one| one.kind == LeakKind::Routing) {
                return Ok(left);
            }
            // Links disappear with the namespace, rules don't.
            let after = read_kernel(place + 1, agent).await?;
            let known = |name: &str| before.kernel.links.iter().any(|link| link.name == name);
            if after.links.iter().all(|link| known(&link.name)) {
                return Ok(find_leaks(before, &read_traces(place + 1, agent).await?, gone, node));
            }
            wait::pause(PAUSE).await;
        }
    }
}

async fn read_traces(node: usize, agent: &mut dyn NodeAgents) -> Result<Traces, TestbedError> {
    let mut traces = Traces::default();
    for program in SAVED {
        // A missing program made no rules.
        if let Some(text) = run_program(node, &[program], agent).await? {
            traces.saved.push((program.to_owned(), text));
        }
    }
    traces.ruleset = run_program(node, &RULESET, agent).await?;
    let connections = [&["sh", "-c", CONNECTIONS, "sh"][..], &TRACKED].concat();
    traces.connections = run_program(node, &connections, agent).await?.unwrap_or_default();
    traces.kernel = read_kernel(node, agent).await?;
    Ok(traces)
}

async fn read_kernel(node: usize, agent: &mut dyn NodeAgents) -> Result<KernelState, TestbedError> {
    match agent.call(node, Box::new(|target| Op::Observe { target, with_ip: false })).await? {
        Outcome::Observed(observed) => Ok(observed.kernel),
        other => Err(unexpected(&other)),
    }
}

fn error(cause: impl Into<String>) -> TestbedError {
    TestbedError::new(STAGE, cause.into())
}

fn unexpected(outcome: &Outcome) -> TestbedError {
    error(format!("the agent gave an answer of another kind: {outcome:?}"))
}

/// The output of a program on a node. None if the program does not exist or has nothing to list.
async fn run_program(node: usize, argv: &[&str], agent: &mut dyn NodeAgents) -> Result<Option<String>, TestbedError> {
    let script = "command -v \"$1\" >/dev/null 2>&1 || exit 0; \"$@\"";
    let argv = ["sh", "-c", script, "sh"].iter().chain(argv).map(|&word| word.to_owned()).collect();
    let deadline_ms = u64::try_from(LISTING.as_millis()).unwrap_or(u64::MAX);
    match agent.call(node, Box::new(move |target| Op::Exec { target, argv, deadline_ms })).await? {
        Outcome::Ran { code: Some(0), stdout, .. } => Ok(Some(stdout).filter(|text| !text.is_empty())),
        Outcome::Ran { stderr, .. } => Err(error(stderr.trim())),
        other => Err(unexpected(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::CONNECTIONS;
    use plumbline_testbed::exec::{Cmd, ProcessEnd, Transcript};
    use std::path::Path;

    /// The script on a host that has no `conntrack`.
    async fn list_connections(list: &Path, sign: &Path) -> Transcript {
        let script = CONNECTIONS.replace("command -v conntrack", "command -v no-such-program");
        let paths = [list, sign, Path::new("/none")].map(|path| path.display().to_string());
        Cmd::new("sh").args(["-c", &script, "sh"]).args(paths).run().await.unwrap()
    }

    #[tokio::test]
    async fn unlistable_connections_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (list, sign) = (folder.path().join("list"), folder.path().join("max"));
        let none = list_connections(&list, &sign).await;
        assert!(none.ending == ProcessEnd::Code(0) && none.stdout.is_empty(), "the kernel tracks nothing: {none:?}");
        std::fs::write(&sign, "65536").unwrap();
        let refused = list_connections(&list, &sign).await;
        assert!(refused.ending == ProcessEnd::Code(1) && refused.stderr.contains("install the program"), "{refused:?}");
        std::fs::write(&list, "ipv4 2 udp 17 src=10.0.0.1").unwrap();
        assert_eq!(list_connections(&list, &sign).await.stdout.trim(), "ipv4 2 udp 17 src=10.0.0.1");
    }
}
