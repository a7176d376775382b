//! The modes that serve requests (`node` with its PID 1 `node-init`, and `serve`), and `probe-host`.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getpid, sethostname, setsid};
use plumbline_core::cni::Exit;
use plumbline_core::protocol::{HostProbe, Op, Outcome, Probed, Reply, Request};
use plumbline_netlink::{Errno, namespace};

use crate::error::{Cause, EXIT_SUCCESS, EXIT_UNABLE, EndError, print_line};
use crate::input::Input;
use crate::namespaces::named::bring_up_loopback;
use crate::namespaces::sysctls::{self, Forwarding};
use crate::node::arguments::{Arguments, ArgumentsError};
use crate::node::nodes::NodeSet;
use crate::node::privileges::{Privileges, acquire_privileges, find_hint};
use crate::node::root;
use crate::process::start::start_agent;
use crate::process::{Job, ProcessResult, Processes};
use crate::requests::{AgentContext, serve_requests};

/// A private node is ready in milliseconds; a kernel that loads modules for the trials takes longer.
const PROBE_DEADLINE: Duration = Duration::from_secs(20);

const PROBE_STDOUT_CAP_BYTES: usize = 1024 * 1024;

impl From<ArgumentsError> for EndError {
    fn from(error: ArgumentsError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Mode `node`, on the host: enters the first namespaces, starts PID 1 of the node and waits for its end.
///
/// # Errors
/// [`EndError::Unable`] where the host allows neither a rootful nor a rootless node.
pub fn run_node(arguments: &[String]) -> Result<u8, EndError> {
    let mut arguments = Arguments::parse(arguments)?;
    arguments.resolve_paths().map_err(|error| unable("find the plugins", error))?;
    // Ctrl-C is for the lane: it tears the scenario down and then closes standard input. setsid fails without harm in a process that
    // leads a group already.
    let _ = setsid();
    let privileges = acquire_privileges(arguments.privileges);
    arguments.privileges = Some(privileges.map_err(|error| unable("make a private node", error))?);
    let mut line = vec!["node-init".to_owned()];
    line.extend(arguments.to_command_line());
    let started = start_agent(&line);
    let mut init = started.map_err(|error| EndError::Internal(format!("start PID 1 of the node: {error}")))?;
    let status = init.wait()?;
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => Ok(code),
        _ => Err(EndError::Internal(format!("PID 1 of the node was ended by signal {:?}", status.signal()))),
    }
}

/// Mode `node-init`, as PID 1 of the node: builds the node and serves requests until the lane hangs up.
///
/// # Errors
/// [`EndError::Unable`] with the step that the host refused.
pub fn run_node_init(arguments: &[String]) -> Result<u8, EndError> {
    let arguments = Arguments::parse(arguments)?;
    if getpid().as_raw() != 1 {
        return Err(EndError::Usage("node-init: started by mode `node` only".to_owned()));
    }
    // The signal comes when the thread that started this process ends (`prctl(2)`); that process has one thread.
    set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from)?;
    let rootless = arguments.privileges == Some(Privileges::Rootless);
    let refused = |step: &str, errno: Option<Errno>, cause: Cause| {
        // In a user namespace most refusals are a policy of the host, so the fix is part of the message.
        match errno.filter(|_| rootless) {
            Some(errno) => unable_step(step, format!("{cause}; fix: {}", find_hint(errno))),
            None => unable_step(step, cause),
        }
    };

    // Opened while the host's /proc is mounted.
    let outside = arguments.outside.as_ref().map(namespace::open).transpose();
    let outside = outside.map_err(|error| refused("open the namespace outside", error.errno(), error.into()))?;

    let flags =
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    unshare(flags).map_err(|errno| {
        refused("unshare the mount, network, IPC and UTS namespaces", Some(errno), errno.desc().into())
    })?;
    let plugins =
        root::create_root(&arguments).map_err(|error| refused("build its root", error.errno(), error.into()))?;
    // The name is for people only.
    let _ = sethostname("plumbline-node");
    bring_up_loopback().map_err(|error| refused("bring up lo", error.errno(), error.into()))?;
    sysctls::set_all(Forwarding::On).map_err(|error| refused("set its sysctls", None, error.into()))?;

    let nodes = NodeSet::new(outside);
    serve_requests(AgentContext::new(Some(plugins), nodes, Processes::new(Input::default())?))
}

fn unable(action: &str, cause: impl Into<Cause>) -> EndError {
    EndError::Unable { action: action.to_owned(), cause: cause.into() }
}

fn unable_step(step: &str, cause: impl Into<Cause>) -> EndError {
    unable(&format!("make a private node: {step}"), cause)
}

/// Mode `serve`: serves requests on a node that the agent did not make, such as a node of kind.
///
/// # Errors
/// As [`serve_requests`].
pub fn run_serve(arguments: &[String]) -> Result<u8, EndError> {
    expect_no_arguments("serve", arguments)?;
    serve_requests(AgentContext::new(None, NodeSet::default(), Processes::new(Input::default())?))
}

/// Mode `probe-host`: tries a private node with each privilege, and the capabilities of the first node that works. Prints a
/// [`HostProbe`] as JSON. Exit code 3 when no private node works.
///
/// # Errors
/// As in every mode.
pub fn run_probe_host(arguments: &[String]) -> Result<u8, EndError> {
    expect_no_arguments("probe-host", arguments)?;
    let mut probe = HostProbe::default();
    let mut processes = Processes::new(Input::ignored())?;
    for privileges in Privileges::ALL {
        let result = processes.run(&[probe_job(privileges)])?.remove(0);
        let (probed, links) = read_probe(&result);
        if probe.links.is_empty() {
            probe.links = links.unwrap_or_default();
        }
        probe.private_nodes.insert(privileges.name().to_owned(), probed);
    }
    print_line(&serde_json::to_string(&probe).map_err(|error| EndError::Internal(error.to_string()))?)?;
    Ok(if probe.private_nodes.values().any(|one| one.there) { EXIT_SUCCESS } else { EXIT_UNABLE })
}

fn expect_no_arguments(mode: &str, arguments: &[String]) -> Result<(), EndError> {
    match arguments {
        [] => Ok(()),
        _ => Err(EndError::Usage(format!("{mode}: expected no arguments, found {}", arguments.join(" ")))),
    }
}

/// A private node that gets two requests, for its version and its capabilities, and then ends.
fn probe_job(privileges: Privileges) -> Job {
    let requests = [Op::Hello, Op::Probe].into_iter().enumerate();
    let lines = requests.filter_map(|(id, op)| serde_json::to_string(&Request { id: id as u64 + 1, op }).ok());
    let argv = ["/proc/self/exe", "node", "--privileges", privileges.name()].map(str::to_owned).to_vec();
    let stdin = lines.flat_map(|line| (line + "\n").into_bytes()).collect();
    Job::new(argv, Some(stdin), PROBE_DEADLINE, PROBE_STDOUT_CAP_BYTES)
}

fn read_probe(result: &ProcessResult) -> (Probed, Option<BTreeMap<String, Probed>>) {
    let lines = result.stdout.split(|byte| *byte == b'\n');
    let (mut links, mut refusal) = (None, None);
    for reply in lines.filter_map(|line| serde_json::from_slice::<Reply>(line).ok()) {
        match reply.outcome {
            Outcome::Probed(probed) => links = Some(probed),
            Outcome::Fault(fault) => refusal = Some(format!("{}: {}", fault.doing, fault.cause)),
            _ => {}
        }
    }
    let there = result.exit == Exit::Code(0) && refusal.is_none() && links.is_some();
    let seen = match refusal {
        _ if there => format!("a private node started and ended in {} ms", result.duration.as_millis()),
        Some(refusal) => refusal,
        None => format!("the agent ended with {:?}: {}", result.exit, String::from_utf8_lossy(&result.stderr).trim()),
    };
    (Probed { there, seen }, links)
}
