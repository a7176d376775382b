//! `node-init`: PID 1 of the private node.

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getpid, sethostname};
use plumbline_core::protocol::Fault;
use plumbline_netlink::{Errno, Netlink};

use super::arguments::{Arguments, Rung};
use super::{root, rung, sysctls};
use crate::exit::Failure;
use crate::input::Input;
use crate::place::Place;
use crate::process::Runner;
use crate::session;

/// Makes the node and serves the protocol on it until the lane hangs up.
///
/// # Errors
/// [`Failure::Unable`] with the step that the host refused.
pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let arguments = Arguments::read(arguments)?;
    if getpid().as_raw() != 1 {
        return Err(Failure::Usage("node-init is started by `node` alone".to_owned()));
    }
    // Safe with one thread on either side: the signal comes when the thread that started us ends (`prctl(2)`).
    set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from)?;
    let user = arguments.rung == Some(Rung::User);
    let step = |doing: &str, errno: Option<Errno>, cause: String| {
        // In a user namespace a refusal is the host's policy more often than not, and only the cure tells which.
        let cure = errno.filter(|_| user).map(|errno| format!("; {}", rung::cure(errno))).unwrap_or_default();
        Failure::Unable(Fault { doing: format!("make a private node: {doing}"), cause: cause + &cure, gone: false })
    };

    // While the host's /proc is in sight.
    let outside = arguments.outside.as_ref().map(plumbline_netlink::namespace::open).transpose();
    let outside = outside.map_err(|error| step("open the namespace outside", error.errno(), error.to_string()))?;

    let flags =
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    unshare(flags)
        .map_err(|errno| step("unshare mount, network, IPC and UTS namespace", Some(errno), errno.desc().to_owned()))?;
    let plugins = root::make(&arguments).map_err(|error| step(&error.doing, error.errno, error.cause))?;
    // A node's name is for people alone.
    let _ = sethostname("plumbline-node");
    loopback().map_err(|error| step("bring up lo", error.errno(), error.to_string()))?;
    sysctls::set(sysctls::Forwards::Yes).map_err(|cause| step("set the node's sysctls", None, cause))?;

    let mut bed = super::nodes::Bed::default();
    bed.outside = outside;
    session::serve(Place {
        plugins: Some(plugins),
        runner: Runner::new()?,
        input: Input::default(),
        stays: false,
        used: None,
        bed,
    })
}

/// Brings up `lo` of the namespace this thread is in.
///
/// # Errors
/// What the kernel says.
pub fn loopback() -> Result<(), plumbline_netlink::Error> {
    let mut netlink = Netlink::open()?;
    let index = netlink.link_index("lo")?;
    netlink.set_up(index, true)
}
