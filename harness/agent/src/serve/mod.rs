//! `serve`: the protocol on a node that somebody else made, such as a node of kind.
//!
//! Here the agent only looks: at sandboxes of the container runtime ([`sandbox`]), at what the CNI side cached
//! ([`reported`]), which leases a pod has ([`leases`]), and whether a sandbox is gone ([`gone`]). It makes bridges when told to, and runs programs ([`exec`]).

pub mod exec;
pub mod gone;
pub mod leases;
pub mod reported;
pub mod sandbox;

use crate::exit::Failure;
use crate::input::Input;
use crate::node::nodes::Bed;
use crate::place::Place;
use crate::process::Runner;
use crate::session;

/// Serves requests until the lane hangs up.
///
/// # Errors
/// As [`session::serve`].
pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage(format!("serve takes no arguments, not {}", arguments.join(" "))));
    }
    session::serve(Place {
        plugins: None,
        runner: Runner::new()?,
        input: Input::default(),
        stays: false,
        used: None,
        bed: Bed::default(),
    })
}
