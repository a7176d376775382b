//! The kernel state of a pod, read by `ip` and by the agent over netlink. Both must agree.

use crate::agent::NodeAgent;
use plumbline_core::observe::ip::IpOutputs;
use plumbline_core::observe::{KernelState, Link, Transcript, Witness, agree_within, ip};
use plumbline_core::protocol::{Observed, Target};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline};
use std::collections::BTreeMap;
use std::time::Duration;

/// The readings of a pod.
pub struct PodReading {
    /// The state to judge: that of `ip` if the host has it, because users read `ip`.
    pub kernel: KernelState,
    /// Its readers.
    pub witnesses: Vec<Witness>,
    /// `ip a` and `ip route`.
    pub transcripts: Vec<Transcript>,
    /// The node's links by index.
    pub node_links: BTreeMap<u32, String>,
    /// Sysctls of the pod.
    pub sysctls: BTreeMap<String, String>,
}

/// How long to wait for a new carrier: the kernel reports carriers at most once a second
/// (`net/core/link_watch.c`), so a veth whose two ends are up may read NO-CARRIER for that long.
const CARRIER: Duration = Duration::from_millis(1200);
/// Between two readings.
const PAUSE: Duration = Duration::from_millis(20);

/// Reads a pod when its carriers are up.
///
/// # Errors
/// As [`read_once`].
pub async fn read_pod(pod: &str, agent: &mut NodeAgent) -> Result<PodReading, TestbedError> {
    let deadline = Deadline::after(CARRIER);
    loop {
        let reading = read_once(pod, agent).await?;
        if deadline.over() || !reading.kernel.links.iter().any(unsettled) {
            return Ok(reading);
        }
        wait::pause(PAUSE).await;
    }
}

/// Whether a link is up and has no carrier yet. After the deadline such a link is reported without carrier.
fn unsettled(link: &Link) -> bool {
    let has = |flag: &str| link.flags.iter().any(|f| f == flag);
    has("UP") && has("NO-CARRIER")
}

/// Reads a pod. If `ip` and the agent disagree, both read once more.
///
/// # Errors
/// [`TestbedError`] when the pod is gone, or when they disagree twice, with each disagreement.
async fn read_once(pod: &str, agent: &mut NodeAgent) -> Result<PodReading, TestbedError> {
    // The state may have changed during the first reading.
    for last in [false, true] {
        match attempt(pod, agent).await? {
            Attempt::Agreed(reading) => return Ok(reading),
            Attempt::Differs(differences) if last => {
                let differences = differences.join("; ");
                let cause = format!("pod {pod}: `ip` and the agent report different states, twice: {differences}");
                return Err(TestbedError::new("observe", cause));
            }
            Attempt::Differs(_) => {}
        }
    }
    Err(TestbedError::new("observe", format!("pod {pod}: not read")))
}

/// One reading by `ip` and by the agent.
enum Attempt {
    Agreed(PodReading),
    Differs(Vec<String>),
}

async fn attempt(pod: &str, agent: &mut NodeAgent) -> Result<Attempt, TestbedError> {
    let Observed { kernel, ip, node_links, sysctls } = agent.observe(Target::Pod(pod.to_owned()), true).await?;
    let reading = |kernel, witnesses, transcripts| {
        Attempt::Agreed(PodReading { kernel, witnesses, transcripts, node_links, sysctls })
    };
    let Some(outputs) = ip else {
        // This host has no `ip`, so the agent alone reads the pod. The observation names the readers.
        return Ok(reading(kernel, vec![Witness::Agent], Vec::new()));
    };
    let (by_ip, differences) = compare(&outputs, &kernel);
    if !differences.is_empty() {
        return Ok(Attempt::Differs(differences));
    }
    Ok(reading(by_ip.unwrap_or(kernel), vec![Witness::PodIp, Witness::Agent], outputs.transcripts))
}

/// The state by `ip`, and its differences from the agent's.
fn compare(outputs: &IpOutputs, kernel: &KernelState) -> (Option<KernelState>, Vec<String>) {
    match ip::kernel_state(outputs) {
        Ok((by_ip, coverage)) => {
            let differences = agree_within(&by_ip, kernel, coverage);
            // BusyBox prints less than the agent reads, so the agent's reading is judged.
            let full = coverage == ip::Coverage::FULL;
            (full.then_some(by_ip), differences)
        }
        Err(error) => (None, vec![format!("the output of `ip` can't be read: {error}")]),
    }
}
