//! ADD, CHECK and DEL of one pod's interface, with the steps in the order of Terway's plugin.

use std::os::fd::OwnedFd;
use std::path::Path;

use plumbline_netlink::{Netlink, namespace};
use serde_json::Value;

use crate::datapath::{self, Ends};
use crate::error::not_added;
use crate::leases::Leases;
use crate::request::{Config, PodArgs};
use crate::result;
use crate::settings::Settings;
use plumbline_plugin::{Code, Failure};

/// One call.
pub struct Call {
    /// The interface's name in the pod.
    pub interface: String,
    /// The runtime's id of the container.
    pub container_id: String,
    /// The pod from the runtime's `CNI_ARGS`.
    pub pod: PodArgs,
    /// Path of the pod's network namespace; never empty.
    pub netns: String,
    /// The configuration.
    pub config: Config,
}

impl Call {
    /// The owner of the lease.
    fn owner(&self) -> String {
        format!("{}\n{}\n", self.container_id, self.interface)
    }

    fn namespace(&self) -> Result<OwnedFd, Failure> {
        let internal = |error: plumbline_netlink::Error| Failure::new(Code::Internal, error.to_string());
        let pod = namespace::open(&self.netns).map_err(internal)?;
        if namespace::same(&pod, namespace::current().map_err(internal)?).map_err(internal)? {
            let message = "plugin's netns and netns from CNI_NETNS should not be the same";
            return Err(Failure::new(Code::Namespace, message));
        }
        Ok(pod)
    }

    fn ends(&self) -> Ends {
        Ends { pod: self.interface.clone(), node: datapath::node_end(&self.pod, &self.container_id, &self.interface) }
    }
}

/// Allocates the pod's addresses and configures pod and node for them.
///
/// # Errors
/// Code 11 (try again later) for every failure, as in Terway. Partial changes are undone.
pub fn add(call: &Call) -> Result<Value, Failure> {
    let netns = call.namespace()?;
    let settings = Settings::read()?;
    let pools = settings.pools().map_err(not_added)?;
    let leases = Leases::open(&settings.leases).map_err(not_added)?;
    let owner = call.owner();
    // On failure only the leases are freed: another sandbox of the same pod keeps its link.
    let reported =
        leases.take_each(&pools, &owner).map_err(|why| not_added(join_errors(why, leases.free_all(&owner))))?;
    let mut node = Netlink::open().map_err(|error| not_added(error.to_string()))?;
    datapath::set_up(&mut node, &netns, &call.ends(), call.config.mtu(), &settings.eni, &reported)
        .map_err(|why| not_added(join_errors(why, undo_add(call, &settings, &leases, &owner))))?;
    Ok(result::added(&call.config.version, &call.interface, &call.pod.container_id, &reported))
}

/// The error, with the error of undoing the partial changes, if any.
fn join_errors(why: String, undone: Result<(), String>) -> String {
    match undone {
        Ok(()) => why,
        Err(more) => format!("{why}; undo the partial changes: {more}"),
    }
}

/// Checks that the pod has its addresses and that the node has the rules for them.
///
/// # Errors
/// Code 999, with the missing part.
pub fn check(call: &Call) -> Result<(), Failure> {
    // As Terway's plugin: a missing namespace is no error.
    if !Path::new(&call.netns).exists() {
        return Ok(());
    }
    let netns = call.namespace()?;
    let settings = Settings::read()?;
    let internal = |why: String| Failure::new(Code::Internal, why);
    let addresses = Leases::open(&settings.leases).and_then(|leases| leases.of(&call.owner())).map_err(internal)?;
    if addresses.is_empty() {
        return Err(internal("the pod has no lease on this node".to_owned()));
    }
    datapath::check(&netns, &call.ends(), &settings.eni, &addresses).map_err(internal)
}

/// Removes link, routes, rules and lease. Parts that are already gone are no error. The ENI keeps what its pods share.
///
/// # Errors
/// Code 11 if a part can't be removed.
pub fn delete(call: &Call) -> Result<Value, Failure> {
    let failed =
        |why: String| Failure::with_details(Code::TryAgain, "failed to do del", format!("terway stand-in: {why}"));
    let settings = Settings::read().map_err(|failure| failed(failure.details))?;
    let leases = Leases::open(&settings.leases).map_err(failed)?;
    undo_add(call, &settings, &leases, &call.owner()).map_err(failed)?;
    Ok(result::deleted(&call.config.version))
}

fn undo_add(call: &Call, settings: &Settings, leases: &Leases, owner: &str) -> Result<(), String> {
    let addresses = leases.of(owner)?;
    let mut node = Netlink::open().map_err(|error| error.to_string())?;
    datapath::clear(&mut node, &call.ends(), &settings.eni, &addresses)?;
    // The lease last: another pod must not get an address whose rules still exist.
    leases.free_all(owner)
}
