//! Two witnesses of one namespace: `ip`, and the agent by netlink.

use crate::agent::LocalAgent;
use plumbline_core::observe::ip::IpOutputs;
use plumbline_core::observe::{KernelState, Link, Transcript, Witness, agree_within, ip};
use plumbline_core::protocol::{Observed, Target};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline};
use std::collections::BTreeMap;
use std::time::Duration;

/// What was seen of a pod.
pub struct Seen {
    /// The state judged: that of `ip` where it was there, since that is what people look at.
    pub kernel: KernelState,
    /// Who read it.
    pub witnesses: Vec<Witness>,
    /// `ip a` and `ip route`.
    pub transcripts: Vec<Transcript>,
    /// The node's links by index.
    pub node_links: BTreeMap<u32, String>,
    /// Sysctls of the pod.
    pub sysctls: BTreeMap<String, String>,
}

/// How long a carrier that has just come is waited for: the kernel tells carriers at most once a second
/// (`net/core/link_watch.c`), so a veth whose two ends are up may read NO-CARRIER for that long.
const CARRIER: Duration = Duration::from_millis(1200);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Reads a pod, once its carriers have settled.
///
/// # Errors
/// As [`read`].
pub async fn see(pod: &str, agent: &mut LocalAgent) -> Result<Seen, TestbedError> {
    let deadline = Deadline::after(CARRIER);
    loop {
        let seen = read(pod, agent).await?;
        if deadline.over() || !seen.kernel.links.iter().any(unsettled) {
            return Ok(seen);
        }
        wait::pause(PAUSE).await;
    }
}

/// Whether a link is up and has no carrier yet. One that never gets it is told as it is, after the deadline.
fn unsettled(link: &Link) -> bool {
    let has = |flag: &str| link.flags.iter().any(|f| f == flag);
    has("UP") && has("NO-CARRIER")
}

/// Reads a pod. Where the witnesses disagree both are read once more.
///
/// # Errors
/// [`TestbedError`] when the pod is gone, or when the witnesses disagree twice, with each disagreement.
async fn read(pod: &str, agent: &mut LocalAgent) -> Result<Seen, TestbedError> {
    match attempt(pod, agent).await? {
        Ok(seen) => Ok(seen),
        // The first reading may have fallen into the middle of a change.
        Err(_) => attempt(pod, agent).await?.map_err(|differences| {
            let cause =
                format!("pod {pod}: `ip` and the agent tell different things, twice: {}", differences.join("; "));
            TestbedError::new("observe", cause)
        }),
    }
}

async fn attempt(pod: &str, agent: &mut LocalAgent) -> Result<Result<Seen, Vec<String>>, TestbedError> {
    let observed = agent.observe(Target::Pod(pod.to_owned()), true).await?;
    let Observed { kernel, ip, node_links, sysctls } = observed;
    let seen = |kernel, witnesses, transcripts| Seen { kernel, witnesses, transcripts, node_links, sysctls };
    let Some(outputs) = ip else {
        // No `ip` on this host: the agent alone has seen it, and the observation names who did.
        return Ok(Ok(seen(kernel, vec![Witness::Agent], Vec::new())));
    };
    let (told, differences) = compare(&outputs, &kernel);
    if !differences.is_empty() {
        return Ok(Err(differences));
    }
    Ok(Ok(seen(told.unwrap_or(kernel), vec![Witness::PodIp, Witness::Agent], outputs.transcripts)))
}

/// What `ip` tells, and where it differs from the agent.
fn compare(outputs: &IpOutputs, kernel: &KernelState) -> (Option<KernelState>, Vec<String>) {
    match ip::kernel_state(outputs) {
        Ok((told, coverage)) => {
            let differences = agree_within(&told, kernel, coverage);
            // BusyBox tells less than the agent knows; then the fuller reading is judged.
            let full = coverage == ip::Coverage::FULL;
            (full.then_some(told), differences)
        }
        Err(error) => (None, vec![format!("the output of `ip` can't be read: {error}")]),
    }
}
