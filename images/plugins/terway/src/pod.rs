//! ADD, CHECK and DEL of one pod's interface, in the order in which Terway's plugin does them.

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
    /// The pod, as the runtime names it.
    pub pod: PodArgs,
    /// Path of the pod's network namespace; never empty.
    pub netns: String,
    /// The configuration.
    pub config: Config,
}

impl Call {
    /// Whose a lease is.
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

/// Gives the pod its addresses and lays the way to them.
///
/// # Errors
/// Code 11 for all that may be otherwise later, as Terway's; what was begun is taken back.
pub fn add(call: &Call) -> Result<Value, Failure> {
    let netns = call.namespace()?;
    let settings = Settings::read()?;
    let pools = settings.pools().map_err(not_added)?;
    let leases = Leases::open(&settings.leases).map_err(not_added)?;
    let owner = call.owner();
    // On failure only the leases are freed: another sandbox of the same pod keeps its link.
    let reported = leases.take_each(&pools, &owner).map_err(|why| not_added(with(why, leases.free_all(&owner))))?;
    let mut node = Netlink::open().map_err(|error| not_added(error.to_string()))?;
    datapath::lay(&mut node, &netns, &call.ends(), call.config.mtu(), &settings.eni, &reported)
        .map_err(|why| not_added(with(why, taken_back(call, &settings, &leases, &owner))))?;
    Ok(result::added(&call.config.version, &call.interface, &call.pod.container_id, &reported))
}

/// What went wrong, and what went wrong in taking it back.
fn with(why: String, back: Result<(), String>) -> String {
    match back {
        Ok(()) => why,
        Err(more) => format!("{why}; and taking it back: {more}"),
    }
}

/// Looks whether the pod has its addresses and the node its rules for them.
///
/// # Errors
/// Code 999, naming what is missing.
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

/// Takes link, routes, rules and lease away; what is gone already is fine. The ENI keeps what all its pods share.
///
/// # Errors
/// Code 11 where something can't be taken away.
pub fn delete(call: &Call) -> Result<Value, Failure> {
    let failed =
        |why: String| Failure::with_details(Code::TryAgain, "failed to do del", format!("terway stand-in: {why}"));
    let settings = Settings::read().map_err(|failure| failed(failure.details))?;
    let leases = Leases::open(&settings.leases).map_err(failed)?;
    taken_back(call, &settings, &leases, &call.owner()).map_err(failed)?;
    Ok(result::deleted(&call.config.version))
}

fn taken_back(call: &Call, settings: &Settings, leases: &Leases, owner: &str) -> Result<(), String> {
    let addresses = leases.of(owner)?;
    let mut node = Netlink::open().map_err(|error| error.to_string())?;
    datapath::clear(&mut node, &call.ends(), &settings.eni, &addresses)?;
    // The lease last: an address whose rules are still there must not be given to another pod.
    leases.free_all(owner)
}
