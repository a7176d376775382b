//! `ip` in a namespace: what a person would run, kept as printed, and its JSON.

use std::time::Duration;

use plumbline_core::cni::Exit;
use plumbline_core::observe::{Transcript, printable};
use plumbline_core::protocol::{IpOutputs, Target};

use crate::process::{Ended, Job};
use crate::spawn::Program;

/// `ip` asks the kernel alone and is done in milliseconds.
const DEADLINE: Duration = Duration::from_secs(10);

/// Room for some hundred thousand routes.
const STDOUT_CAP_BYTES: usize = 32 * 1024 * 1024;

/// First the two for people, then the JSON ones, in the order of [`IpOutputs`]' fields.
const COMMANDS: [&str; 7] = [
    "ip a",
    "ip route",
    "ip -j -d addr",
    "ip -j -d -4 route show table all",
    "ip -j -d -6 route show table all",
    "ip -j -4 rule",
    "ip -j -6 rule",
];

/// The jobs, to be started inside the namespace; `ip -n` and `ip netns exec` can't be used in a private root, since
/// they mount sysfs anew.
#[must_use]
pub fn jobs() -> Vec<Job> {
    let job = |command: &str| Job {
        program: Program { argv: command.split(' ').map(str::to_owned).collect(), ..Program::default() },
        stdin: Vec::new(),
        deadline: DEADLINE,
        stdout_cap: STDOUT_CAP_BYTES,
    };
    COMMANDS.iter().map(|command| job(command)).collect()
}

/// What they printed; none where there is no `ip` on the node.
#[must_use]
pub fn outputs(target: &Target, ends: &[Ended]) -> Option<IpOutputs> {
    let pod = match target {
        Target::Pod(name) | Target::Sandbox { name, .. } => name.clone(),
        Target::Netns(path) => path.clone(),
        Target::Node => "node".to_owned(),
    };
    if ends.iter().take(2).any(|end| end.exit != Exit::Code(0)) {
        return None;
    }
    let json = |place: usize| match &ends[place] {
        end if end.exit == Exit::Code(0) => Some(String::from_utf8_lossy(&end.stdout).into_owned()),
        // BusyBox refuses -j; a kernel without IPv6 makes `ip -6` fail.
        _ => None,
    };
    let transcript = |place: usize| Transcript {
        pod: pod.clone(),
        command: COMMANDS[place].to_owned(),
        text: printable(&String::from_utf8_lossy(&ends[place].stdout)),
    };
    Some(IpOutputs {
        transcripts: vec![transcript(0), transcript(1)],
        addr_json: json(2),
        route4_json: json(3),
        route6_json: json(4),
        rule4_json: json(5),
        rule6_json: json(6),
    })
}
