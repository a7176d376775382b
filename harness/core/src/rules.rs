//! Rules about configurations: what plugins ignore, refuse or turn into something else, without a run.
//!
//! The lint (`plumbline lint`), the judge (`plumbline run`) and the lint of Terway's chain apply the same rules. A rule
//! reads networks and pods of the plan and gives findings.
//!
//! | module | rules about |
//! |---|---|
//! | `structure` | is there a chain, the order of its plugins, its version |
//! | `keys` | unknown keys, wrong types, other releases |
//! | `required` | what a plugin needs and the configuration lacks |
//! | `values`, `addresses` | values that a plugin refuses, or that cannot work |
//! | `default_routes` | routes that repeat or replace the default route |
//! | `sysctls` | sysctls of tuning |
//! | `capabilities` | capabilities that are declared and not read |
//! | `selections`, `requested_addresses` | the networks annotation of one pod |
//! | `sharing` | addresses that two pods or two networks share |

mod addresses;
mod capabilities;
mod context;
mod default_routes;
mod keys;
pub(crate) mod known_plugins;
mod requested_addresses;
mod required;
mod selections;
mod sharing;
mod structure;
mod sysctls;
pub(crate) mod typed_values;
mod values;
mod view;

pub use context::{ClusterFacts, ReleaseError, Releases};
pub(crate) use context::{Context, PodRequests, Use};

use crate::finding::Finding;
use crate::plan::{Attachment, Network};
use sharing::PodNetworks;
use view::{Addressing, plugins};

/// What is wrong with one network's configuration, in the order found.
pub(crate) fn check_network(network: &Network, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(chain) = &network.chain else {
        structure::check_unreadable(network, &mut findings);
        return findings;
    };
    let plugins = plugins(chain);
    structure::check(network, chain, &plugins, context, &mut findings);
    for plugin in &plugins {
        keys::check(network, chain, plugin, context, &mut findings);
        required::check(network, plugin, &mut findings);
        values::check(network, &plugins, plugin, context, &mut findings);
        addresses::check_plugin(network, plugin, &mut findings);
        sysctls::check(network, plugin, context, &mut findings);
    }
    let addressing = Addressing::read(&plugins);
    addresses::check_gateways(network, &addressing, &mut findings);
    capabilities::check(network, &plugins, &mut findings);
    findings
}

/// What is wrong with the requests of each pod, and with the routes that pods get. `networks_of`
/// has for each pod the index of the network of each attachment, where it is known.
pub(crate) fn check_pods(
    networks: &[(&Network, Context<'_>)],
    pods: &[PodRequests],
    networks_of: &[Vec<Option<usize>>],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The attachments of each network.
    let mut users: Vec<Vec<(&PodRequests, &Attachment)>> = vec![Vec::new(); networks.len()];
    for (pod, indexes) in pods.iter().zip(networks_of) {
        let of_pod: Vec<Option<&Network>> = indexes.iter().map(|index| index.map(|index| networks[index].0)).collect();
        selections::check(pod, &of_pod, &mut findings);
        for (attachment, index) in pod.attachments.iter().zip(indexes) {
            index.iter().for_each(|index| users[*index].push((pod, attachment)));
        }
    }
    for ((network, context), users) in networks.iter().zip(users) {
        selections::check_unaddressed(network, users.iter().any(|(_, user)| requests_addresses(user)), &mut findings);
        requested_addresses::check_gateways(network, &users, &mut findings);
        check_routes(network, &users, context, &mut findings);
    }
    findings
}

/// Addresses that networks and pods share. Each object must be there once: two texts of one object are alternatives. In a
/// run the kernel's addresses are judged instead (`PL308`): bridges of two nodes may give the same.
pub(crate) fn check_sharing(
    networks: &[(&Network, Context<'_>)],
    pods: &[&PodRequests],
    networks_of: &[Vec<Option<usize>>],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let used: Vec<PodNetworks<'_>> =
        pods.iter().zip(networks_of).map(|(pod, networks)| PodNetworks { pod, networks: networks.clone() }).collect();
    let is_reference: Vec<bool> = networks.iter().map(|(_, context)| context.network_use == Use::Reference).collect();
    let networks: Vec<&Network> = networks.iter().map(|(network, _)| *network).collect();
    sharing::check(&networks, &is_reference, &used, &mut findings);
    findings
}

/// Whether an attachment requests addresses: by `ips`, or by the key of that name in `cni-args`.
fn requests_addresses(attachment: &Attachment) -> bool {
    let args = attachment.cni_args.as_ref().and_then(|args| args.get("ips"));
    !attachment.ips.is_empty() || args.is_some_and(|ips| ips.as_array().is_some_and(|ips| !ips.is_empty()))
}

/// Checks the routes that pods get of a network; those of the first attachment with a finding. `cni-args` of a pod change
/// what route-override does.
fn check_routes(
    network: &Network,
    users: &[(&PodRequests, &Attachment)],
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
) {
    let Some(chain) = &network.chain else { return };
    let plugins = plugins(chain);
    let without = [None];
    let with: Vec<Option<&Attachment>> = users.iter().map(|(_, user)| Some(*user)).collect();
    for user in if with.is_empty() { &without[..] } else { &with[..] } {
        let before = findings.len();
        let addressing = Addressing::read_with(&plugins, user.and_then(|user| user.cni_args.as_ref()));
        let requested = user.and_then(|user| user.default_route.as_deref()).unwrap_or_default();
        default_routes::check(network, &addressing, requested, context, findings);
        if findings.len() > before {
            return;
        }
    }
}
