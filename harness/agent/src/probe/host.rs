//! `probe-host`: each rung to a private node tried for real, and what the kernel can do as seen from the first that
//! works. Printed as one JSON object, a [`HostProbe`].

use std::time::Duration;

use plumbline_core::cni::Exit;
use plumbline_core::protocol::{HostProbe, Op, Outcome, Probed, Reply, Request};

use crate::exit::{DONE, Failure, UNABLE, say};
use crate::input::Input;
use crate::node::arguments::Rung;
use crate::process::{Ended, Job, Runner};
use crate::spawn::Program;

/// A node is there in milliseconds; kernels that load modules for the links need some longer.
const DEADLINE: Duration = Duration::from_secs(20);

const STDOUT_CAP_BYTES: usize = 1024 * 1024;

/// Probes and prints. Exit code 3 when no rung works.
///
/// # Errors
/// As everywhere.
pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage(format!("probe-host takes no arguments, not {}", arguments.join(" "))));
    }
    let mut probe = HostProbe::default();
    let runner = Runner::new()?;
    for rung in [Rung::Root, Rung::User] {
        let end = runner.run(&[job(rung)], &mut Input::nobody())?.remove(0);
        let (seen, links) = read(&end);
        if probe.links.is_empty() {
            probe.links = links.unwrap_or_default();
        }
        probe.rungs.insert(rung.name().to_owned(), seen);
    }
    say(&serde_json::to_string(&probe).map_err(|error| Failure::Internal(error.to_string()))?)?;
    Ok(if probe.rungs.values().any(|rung| rung.there) { DONE } else { UNABLE })
}

/// A node that is asked who it is and what it can do, and then left.
fn job(rung: Rung) -> Job {
    let requests = [Op::Hello, Op::Probe].into_iter().enumerate();
    let lines = requests.filter_map(|(id, op)| serde_json::to_string(&Request { id: id as u64 + 1, op }).ok());
    Job {
        program: Program {
            argv: ["/proc/self/exe", "node", "--rung", rung.name()].map(str::to_owned).to_vec(),
            fed: true,
            ..Program::default()
        },
        stdin: lines.flat_map(|line| (line + "\n").into_bytes()).collect(),
        deadline: DEADLINE,
        stdout_cap: STDOUT_CAP_BYTES,
    }
}

fn read(end: &Ended) -> (Probed, Option<std::collections::BTreeMap<String, Probed>>) {
    let replies = end.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Reply>(line).ok());
    let (mut links, mut refused) = (None, None);
    for reply in replies {
        match reply.outcome {
            Outcome::Probed(probed) => links = Some(probed),
            Outcome::Fault(fault) => refused = Some(format!("{}: {}", fault.doing, fault.cause)),
            _ => {}
        }
    }
    let there = end.exit == Exit::Code(0) && refused.is_none() && links.is_some();
    let seen = match refused {
        _ if there => format!("a private node was made and left in {} ms", end.took.as_millis()),
        Some(refused) => refused,
        None => format!("the agent ended with {:?}: {}", end.exit, String::from_utf8_lossy(&end.stderr).trim()),
    };
    (Probed { there, seen }, links)
}
