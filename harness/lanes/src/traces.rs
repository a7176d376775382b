//! What nodes have of their pods: read before pods come and after they went, by the agent that stands for a node.

use crate::agent::LocalAgent;
use futures::future::BoxFuture;
use plumbline_cluster::node::Node;
use plumbline_core::observe::traces::{RemovedPod, Traces, find_leaks};
use plumbline_core::observe::{KernelState, Leak, LeakKind};
use plumbline_core::plan::Plan;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_testbed::wait::{self, Deadline};
use std::time::Duration;

/// For a program that lists rules; an emulated processor takes its time.
const LISTING: Duration = Duration::from_secs(20);
/// How long the kernel may take to end a namespace that nobody uses any more.
const NAMESPACE: Duration = Duration::from_secs(3);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(30);
/// Programs that print rules in the form of `iptables-save`.
const SAVED: [&str; 2] = ["iptables-save", "ip6tables-save"];
const RULESET: [&str; 3] = ["nft", "list", "ruleset"];
/// Prints the tracked connections of its namespace: from `$1`, the kernel's own list (absent in kernels built without
/// `CONFIG_NF_CONNTRACK_PROCFS`), else by the program `conntrack`. Nothing where the kernel tracks none, which shows by none of
/// the other arguments being there; that it can't be told which is no empty list.
const CONNECTIONS: &str = r#"
[ ! -e "$1" ] || exec cat "$1"
[ -e "$2" ] || [ -e "$3" ] || exit 0
if command -v conntrack >/dev/null 2>&1; then
    conntrack -L -f ipv4 -o extended && conntrack -L -f ipv6 -o extended
    exit
fi
echo "connections are tracked and $1 is not there to tell which; install the program conntrack" >&2
exit 1
"#;
const TRACKED: [&str; 3] =
    ["/proc/net/nf_conntrack", "/proc/sys/net/netfilter/nf_conntrack_max", "/sys/module/nf_conntrack"];

/// Each node as it was before any pod.
#[derive(Debug, Default)]
pub struct Before(Vec<Traces>);

/// A question about a node, which is the target that it is given.
pub type Question = Box<dyn FnOnce(Target) -> Op + Send>;
/// What was answered; in words why it was not.
pub type Answer<'a> = BoxFuture<'a, Result<Outcome, String>>;

/// Nodes that can be asked, counted from 1.
pub trait Nodes: Send {
    /// Puts a question to the agent that can tell.
    fn ask(&mut self, node: usize, op: Question) -> Answer<'_>;
}

impl Nodes for LocalAgent {
    fn ask(&mut self, node: usize, op: Question) -> Answer<'_> {
        Box::pin(async move {
            Self::ask(self, op(Target::NodeAt(node)), LISTING + LISTING).await.map_err(|other| other.to_string())
        })
    }
}

impl Nodes for &[Node] {
    fn ask(&mut self, node: usize, op: Question) -> Answer<'_> {
        Box::pin(async move {
            let on = self.get(node.wrapping_sub(1)).ok_or_else(|| format!("there is no node {node}"))?;
            match on.call_aside(op(Target::Node)).await.map_err(|error| error.to_string())? {
                Outcome::Fault(fault) => Err(format!("{}: {}", fault.doing, fault.cause)),
                outcome => Ok(outcome),
            }
        })
    }
}

/// Whether a plan's pods leave anything on nodes that is worth looking for: ports of the node, or policy routing.
pub fn wanted(plan: &Plan) -> bool {
    let routed = plan.topology.ports.iter().any(|port| port.eni.is_some());
    routed || plan.pods.iter().any(|pod| !pod.port_mappings().is_empty())
}

impl Before {
    /// Reads all nodes.
    ///
    /// # Errors
    /// What could not be read, in words.
    pub async fn read(nodes: usize, agent: &mut dyn Nodes) -> Result<Self, String> {
        let mut all = Vec::new();
        for node in 1..=nodes.max(1) {
            all.push(read(node, agent).await.map_err(|why| format!("node {node}: {why}"))?);
        }
        Ok(Self(all))
    }

    /// How many nodes were read.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.0.len()
    }

    /// What came since and stayed; and what could not be read, each a line.
    pub async fn find_leaks(&self, gone: &[RemovedPod], agent: &mut dyn Nodes) -> (Vec<Leak>, Vec<String>) {
        let (mut left, mut lines) = (Vec::new(), Vec::new());
        for (place, before) in self.0.iter().enumerate() {
            let node = format!("node {}", place + 1);
            match self.settled(place, before, gone, &node, agent).await {
                Ok(stayed) => left.extend(stayed),
                Err(why) => lines.push(format!("{node}: what pods left on it can't be looked at: {why}")),
            }
        }
        (left, lines)
    }
}

impl Before {
    /// What stayed on one node, once the kernel has taken the pods' namespaces away: it does so when it comes to it, and with
    /// them go the ends of their cables and the routes by these.
    async fn settled(
        &self,
        place: usize,
        before: &Traces,
        gone: &[RemovedPod],
        node: &str,
        agent: &mut dyn Nodes,
    ) -> Result<Vec<Leak>, String> {
        let deadline = Deadline::after(NAMESPACE);
        loop {
            let left = find_leaks(before, &read(place + 1, agent).await?, gone, node);
            if deadline.over() || !left.iter().any(|one| one.kind == LeakKind::Routing) {
                return Ok(left);
            }
            // Rules don't go by themselves; links do.
            let after = kernel(place + 1, agent).await?;
            let known = |name: &str| before.kernel.links.iter().any(|link| link.name == name);
            if after.links.iter().all(|link| known(&link.name)) {
                return Ok(find_leaks(before, &read(place + 1, agent).await?, gone, node));
            }
            wait::pause(PAUSE).await;
        }
    }
}

async fn read(node: usize, agent: &mut dyn Nodes) -> Result<Traces, String> {
    let mut traces = Traces::default();
    for program in SAVED {
        // Without the program nobody has made such rules with it.
        if let Some(text) = run(node, &[program], agent).await? {
            traces.saved.push((program.to_owned(), text));
        }
    }
    traces.ruleset = run(node, &RULESET, agent).await?;
    let connections = [&["sh", "-c", CONNECTIONS, "sh"][..], &TRACKED].concat();
    traces.connections = run(node, &connections, agent).await?.unwrap_or_default();
    traces.kernel = kernel(node, agent).await?;
    Ok(traces)
}

async fn kernel(node: usize, agent: &mut dyn Nodes) -> Result<KernelState, String> {
    match agent.ask(node, Box::new(|target| Op::Observe { target, with_ip: false })).await? {
        Outcome::Observed(observed) => Ok(observed.kernel),
        other => Err(odd(&other)),
    }
}

fn odd(outcome: &Outcome) -> String {
    format!("the agent gave another answer than was asked for: {outcome:?}")
}

/// What a program prints on a node; none where it is not there or finds nothing to list.
async fn run(node: usize, argv: &[&str], agent: &mut dyn Nodes) -> Result<Option<String>, String> {
    let script = "command -v \"$1\" >/dev/null 2>&1 || exit 0; \"$@\"";
    let argv = ["sh", "-c", script, "sh"].iter().chain(argv).map(|&word| word.to_owned()).collect();
    let deadline_ms = u64::try_from(LISTING.as_millis()).unwrap_or(u64::MAX);
    match agent.ask(node, Box::new(move |target| Op::Exec { target, argv, deadline_ms })).await? {
        Outcome::Ran { code: Some(0), stdout, .. } => Ok(Some(stdout).filter(|text| !text.is_empty())),
        Outcome::Ran { stderr, .. } => Err(stderr.trim().to_owned()),
        other => Err(odd(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::CONNECTIONS;
    use plumbline_testbed::exec::{Cmd, ProcessEnd, Transcript};
    use std::path::Path;

    /// The script on a host that has no `conntrack`.
    async fn told(list: &Path, sign: &Path) -> Transcript {
        let script = CONNECTIONS.replace("command -v conntrack", "command -v no-such-program");
        let paths = [list, sign, Path::new("/none")].map(|path| path.display().to_string());
        Cmd::new("sh").args(["-c", &script, "sh"]).args(paths).run().await.unwrap()
    }

    #[tokio::test]
    async fn connections_that_cannot_be_listed_are_no_empty_list() {
        let folder = tempfile::tempdir().unwrap();
        let (list, sign) = (folder.path().join("list"), folder.path().join("max"));
        let none = told(&list, &sign).await;
        assert!(none.ending == ProcessEnd::Code(0) && none.stdout.is_empty(), "the kernel tracks nothing: {none:?}");
        std::fs::write(&sign, "65536").unwrap();
        let refused = told(&list, &sign).await;
        assert!(refused.ending == ProcessEnd::Code(1) && refused.stderr.contains("install the program"), "{refused:?}");
        std::fs::write(&list, "ipv4 2 udp 17 src=10.0.0.1").unwrap();
        assert_eq!(told(&list, &sign).await.stdout.trim(), "ipv4 2 udp 17 src=10.0.0.1");
    }
}
