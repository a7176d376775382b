//! What the nodes of a private bed have of their pods: read before pods come and after they went.

use crate::agent::LocalAgent;
use plumbline_bed::wait::{self, Deadline};
use plumbline_core::observe::traces::{Gone, Traces, stayed};
use plumbline_core::observe::{Left, LeftKind};
use plumbline_core::plan::{DefaultNetwork, Plan};
use plumbline_core::protocol::{Op, Outcome, Target};
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
const CONNECTIONS: &str = "/proc/net/nf_conntrack";

/// Each node as it was before any pod.
#[derive(Debug, Default)]
pub struct Before(Vec<Traces>);

/// Whether a plan's pods leave anything on nodes that is worth looking for: ports of the node, or policy routing.
pub fn wanted(plan: &Plan) -> bool {
    let terway = || plan.topology.default_network.iter().flat_map(DefaultNetwork::plugins).any(|one| one == "terway");
    plan.pods.iter().any(|pod| !pod.port_mappings().is_empty()) || terway()
}

impl Before {
    /// Reads all nodes.
    ///
    /// # Errors
    /// What could not be read, in words.
    pub async fn read(nodes: usize, agent: &mut LocalAgent) -> Result<Self, String> {
        let mut all = Vec::new();
        for node in 1..=nodes.max(1) {
            all.push(read(node, agent).await.map_err(|why| format!("node {node}: {why}"))?);
        }
        Ok(Self(all))
    }

    /// What came since and stayed; and what could not be read, each a line.
    pub async fn stayed(&self, gone: &[Gone], agent: &mut LocalAgent) -> (Vec<Left>, Vec<String>) {
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
        gone: &[Gone],
        node: &str,
        agent: &mut LocalAgent,
    ) -> Result<Vec<Left>, String> {
        let deadline = Deadline::after(NAMESPACE);
        loop {
            let left = stayed(before, &read(place + 1, agent).await?, gone, node);
            if deadline.over() || !left.iter().any(|one| one.kind == LeftKind::Routing) {
                return Ok(left);
            }
            // Rules don't go by themselves; links do.
            let after = agent.observe(Target::NodeAt(place + 1), false).await.map_err(|broken| broken.to_string())?;
            let known = |name: &str| before.kernel.links.iter().any(|link| link.name == name);
            if after.kernel.links.iter().all(|link| known(&link.name)) {
                return Ok(stayed(before, &read(place + 1, agent).await?, gone, node));
            }
            wait::pause(PAUSE).await;
        }
    }
}

async fn read(node: usize, agent: &mut LocalAgent) -> Result<Traces, String> {
    let mut traces = Traces::default();
    for program in SAVED {
        // Without the program nobody has made such rules with it.
        if let Some(text) = run(node, &[program], agent).await? {
            traces.saved.push((program.to_owned(), text));
        }
    }
    traces.ruleset = run(node, &RULESET, agent).await?;
    traces.connections = run(node, &["cat", CONNECTIONS], agent).await?.unwrap_or_default();
    let observed = agent.observe(Target::NodeAt(node), false).await.map_err(|broken| broken.to_string())?;
    traces.kernel = observed.kernel;
    Ok(traces)
}

/// What a program prints on a node; none where it is not there or finds nothing to list.
async fn run(node: usize, argv: &[&str], agent: &mut LocalAgent) -> Result<Option<String>, String> {
    let script = "command -v \"$1\" >/dev/null 2>&1 || exit 0; [ \"$1\" != cat ] || [ -e \"$2\" ] || exit 0; \"$@\"";
    let argv = ["sh", "-c", script, "sh"].iter().chain(argv).map(|&word| word.to_owned()).collect();
    let deadline_ms = u64::try_from(LISTING.as_millis()).unwrap_or(u64::MAX);
    match agent.ask(Op::Exec { target: Target::NodeAt(node), argv, deadline_ms }, LISTING + LISTING).await {
        Ok(Outcome::Ran { code: Some(0), stdout, .. }) => Ok(Some(stdout).filter(|text| !text.is_empty())),
        Ok(Outcome::Ran { stderr, .. }) => Err(stderr.trim().to_owned()),
        Ok(_) => Err("the agent gave another answer than was asked for".to_owned()),
        Err(other) => Err(other.to_string()),
    }
}
