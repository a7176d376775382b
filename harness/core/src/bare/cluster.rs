//! What is refused on the nodes of a cluster: a chain that takes a node's own interface away, or connects others to it, can
//! cut the node off.

use crate::chain::{ChainLink, go_key};
use crate::plan::{Network, Plan};
use crate::scenario::InputError;
use crate::scenario::draft::facts::is_on_default_route;
use crate::scenario::objects::is_system;
use crate::source::Source;
use serde_json::Value;

/// The interfaces that a cluster's node has of its own.
pub(super) const NODE_INTERFACES: [&str; 2] = ["eth0", "lo"];

/// The objects that are in namespaces of the cluster itself. Namespaces of the run's own stand for them, unless they are taken
/// as written.
pub fn in_system_namespaces(plan: &Plan) -> Vec<InputError> {
    let networks = plan.networks.iter().map(|network| (&network.namespace, &network.source));
    let pods = plan.pods.iter().map(|pod| (&pod.namespace, &pod.source));
    let objects: Vec<(&Option<String>, &Source)> = networks.chain(pods).collect();
    let refuse = |(namespace, source): (&Option<String>, &Source)| {
        let namespace = namespace.as_deref().filter(|namespace| is_system(namespace))?;
        let message = format!("namespace `{namespace}` belongs to the cluster itself; nothing is made there");
        Some(InputError::new(source.clone(), "metadata.namespace", message).help("run without --verbatim"))
    };
    objects.into_iter().filter_map(refuse).collect()
}

/// What would harm the cluster's nodes, with the place of the key.
pub(super) fn refuse(network: &Network) -> Vec<InputError> {
    let Some(chain) = &network.chain else { return Vec::new() };
    let on_default = is_on_default_route(chain);
    let refused = chain.links.iter().enumerate().filter_map(|(position, link)| {
        let (key, why) = harm(link, on_default && position == 0)?;
        let path = if chain.is_list { format!("plugins/{position}/{key}") } else { key.to_owned() };
        let message = format!("network `{}`: {why}", network.name);
        let error = InputError::new(network.place(&path).clone(), format!("spec.config: {path}"), message);
        Some(error.help("it is refused on a cluster's nodes; run with --lane netns"))
    });
    refused.collect()
}

/// The key by which a plugin would harm the node, and how.
fn harm(link: &ChainLink, on_default: bool) -> Option<(&'static str, String)> {
    let conf = link.conf.as_object()?;
    let text = |key: &str| go_key(conf, key).and_then(Value::as_str).unwrap_or_default();
    let is_of_node = |key: &str| NODE_INTERFACES.contains(&text(key));
    match link.plugin.as_str() {
        "host-device" if is_of_node("device") => {
            Some(("device", format!("host-device takes {} away from the node", text("device"))))
        }
        // Any device of the node may be meant, its own too.
        "host-device" => ["hwaddr", "kernelpath", "pciBusID"]
            .into_iter()
            .find(|key| go_key(conf, key).is_some())
            .map(|key| (key, format!("host-device with `{key}` may take the node's own interface away"))),
        "macvlan" if text("mode") == "passthru" && (is_of_node("master") || on_default) => {
            Some(("mode", "macvlan in mode passthru takes over the node's own interface".to_owned()))
        }
        "bridge" | "ovs" | "tap" if is_of_node("bridge") => {
            Some(("bridge", format!("{} uses the node's own interface {} as its bridge", link.plugin, text("bridge"))))
        }
        "bond" => {
            let in_pod = go_key(conf, "linksInContainer").and_then(Value::as_bool).unwrap_or(false);
            let links = go_key(conf, "links").and_then(Value::as_array).into_iter().flatten();
            let mut names = links.filter_map(|link| go_key(link.as_object()?, "name")?.as_str());
            let own = names.find(|name| NODE_INTERFACES.contains(name)).filter(|_| !in_pod)?;
            Some(("links", format!("bond takes {own} away from the node")))
        }
        _ => None,
    }
}
