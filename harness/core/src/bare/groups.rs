//! Which objects belong together: pods with the networks that they request, and pods that share a network. A network that no
//! pod requests is alone, with a pod that is made for it.

use super::objects::{Objects, PodObject};
use crate::chain::{Chain, go_key};
use crate::plan::{Adaptation, Attachment, Network, Pod, Workload};
use crate::scenario::draft::facts::needs_ips;
use crate::scenario::{InputError, NETWORKS};
use crate::suggestion::did_you_mean;
use ipnet::IpNet;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The namespace of objects that name none (kubectl).
const DEFAULT_NAMESPACE: &str = "default";
/// The image of a pod that is made here. The container sleeps.
const IMAGE: &str = "docker.io/library/busybox:1.36.1";
/// The interface of such a pod, as Multus names the first one.
const INTERFACE: &str = "net1";
/// The address that such a pod requests where nothing says another (RFC 5737, for documentation).
const ADDRESS: &str = "198.51.100.10/24";

/// Objects that are tested together.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub name: String,
    pub networks: Vec<Network>,
    pub pods: Vec<Pod>,
    pub workloads: Vec<Workload>,
    pub assumed: Vec<String>,
    pub adaptations: Vec<Adaptation>,
    /// The names by which `--pod` selects its pod objects.
    selectors: Vec<String>,
    /// The position of each network among the texts' networks.
    indexes: Vec<usize>,
}

/// A pod object with its networks.
struct Resolved {
    object: PodObject,
    /// The network of each attachment, and whatever else its pods name: position among the texts' networks, and the network
    /// with the namespace in which the pod requests it.
    networks: Vec<(usize, Network)>,
    assumed: Vec<String>,
}

/// Makes the groups that a selection has.
pub(super) fn make(objects: &Objects, selection: &super::Selection) -> Result<Vec<Group>, Vec<InputError>> {
    check_selection(objects, selection)?;
    let mut errors = Vec::new();
    let mut resolved = Vec::new();
    for object in &objects.pods {
        let names = std::iter::once(&object.name).chain(object.pods.iter().map(|pod| &pod.name));
        let is_selected = selection.pods.is_empty() || names.clone().any(|name| selection.pods.contains(name));
        match resolve(objects, object) {
            Ok(found) => resolved.push((is_selected, found)),
            Err(found) if is_selected => errors.extend(found),
            Err(_) => {}
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let wants = |network: &Network| selection.networks.is_empty() || selection.networks.contains(&network.name);
    let used: BTreeSet<usize> =
        resolved.iter().flat_map(|(_, found)| found.networks.iter().map(|(index, _)| *index)).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (is_selected, found) in resolved {
        if is_selected && (selection.networks.is_empty() || found.networks.iter().any(|(_, network)| wants(network))) {
            add(&mut groups, found);
        }
    }
    // With --pod, only pods are meant.
    if selection.pods.is_empty() {
        let alone =
            objects.networks.iter().enumerate().filter(|(index, network)| !used.contains(index) && wants(network));
        groups.extend(alone.map(|(index, network)| own_pod(index, network)));
    }
    check_groups(&groups, selection)?;
    Ok(groups)
}

/// Refuses names of a selection that are in no group: with both options, a selected pod may request other networks.
fn check_groups(groups: &[Group], selection: &super::Selection) -> Result<(), Vec<InputError>> {
    let pods: BTreeSet<&String> = groups.iter().flat_map(|group| &group.selectors).collect();
    let networks: BTreeSet<&String> =
        groups.iter().flat_map(|group| &group.networks).map(|network| &network.name).collect();
    let mut errors = Vec::new();
    for (option, wanted, found, why) in [
        ("--pod", &selection.pods, pods, "it requests no selected network"),
        ("--nad", &selection.networks, networks, "no selected pod requests it"),
    ] {
        for name in wanted.iter().filter(|name| !found.contains(name)) {
            let message = format!("is in no scenario of this selection: {why}");
            errors.push(InputError::file(&format!("{option} {name}"), message));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Refuses a selection of what is not there.
fn check_selection(objects: &Objects, selection: &super::Selection) -> Result<(), Vec<InputError>> {
    let mut pods: Vec<&str> = objects.pods.iter().map(|object| object.name.as_str()).collect();
    pods.extend(objects.pods.iter().flat_map(|object| object.pods.iter().map(|pod| pod.name.as_str())));
    let networks: Vec<&str> = objects.networks.iter().map(|network| network.name.as_str()).collect();
    let mut errors = Vec::new();
    for (option, what, wanted, known) in [
        ("--pod", "pod or workload that requests a network", &selection.pods, &pods),
        ("--nad", "network", &selection.networks, &networks),
    ] {
        for name in wanted.iter().filter(|name| !known.contains(&name.as_str())) {
            let near = did_you_mean(name, known.iter().copied()).map(|near| format!("; did you mean {near}?"));
            let message = format!("no {what} of that name in these files{}", near.unwrap_or_default());
            errors.push(InputError::file(&format!("{option} {name}"), message));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Finds the networks of a pod object.
fn resolve(objects: &Objects, object: &PodObject) -> Result<Resolved, Vec<InputError>> {
    let mut object = object.clone();
    let mut assumed = Vec::new();
    if let Some(namespace) = implied_namespace(objects, &object) {
        let message = "is in namespace";
        assumed.push(format!("{} {message} {namespace}, where its network is", object.name));
        place(&mut object, &namespace);
    }
    let Some(pod) = object.pods.first() else { return Err(Vec::new()) };
    let mut wanted: Vec<(String, Option<String>)> = pod
        .attachments
        .iter()
        .map(|attachment| (attachment.network.clone(), attachment.namespace.clone().or(pod.namespace.clone())))
        .collect();
    wanted.extend(default_network(pod));
    let mut networks: Vec<(usize, Network)> = Vec::new();
    let mut errors = Vec::new();
    for (name, namespace) in wanted {
        match find(objects, &pod.source.file, &name, namespace.as_deref()) {
            Some(index) => {
                let network = in_namespace(&objects.networks[index], namespace);
                let is_there = |(_, other): &(usize, Network)| {
                    (&other.name, &other.namespace) == (&network.name, &network.namespace)
                };
                if !networks.iter().any(is_there) {
                    networks.push((index, network));
                }
            }
            None => errors.push(missing(objects, pod, &name, namespace.as_deref())),
        }
    }
    if errors.is_empty() { Ok(Resolved { object, networks, assumed }) } else { Err(errors) }
}

/// The namespace of a pod that names none, where its networks are all in another one: kubectl would be given it.
fn implied_namespace(objects: &Objects, object: &PodObject) -> Option<String> {
    let pod = object.pods.first().filter(|pod| pod.namespace.is_none())?;
    pod.attachments.iter().filter(|attachment| attachment.namespace.is_none()).find_map(|attachment: &Attachment| {
        let mut same_name = objects.networks.iter().filter(|network| network.name == attachment.network).peekable();
        let first = same_name.peek()?.namespace.clone()?;
        same_name.all(|network| network.namespace.as_ref() == Some(&first)).then_some(first)
    })
}

/// Puts pods and workload into a namespace.
fn place(object: &mut PodObject, namespace: &str) {
    for pod in &mut object.pods {
        pod.namespace = Some(namespace.to_owned());
        pod.manifest["metadata"]["namespace"] = Value::from(namespace);
    }
    if let Some(workload) = &mut object.workload {
        workload.namespace = Some(namespace.to_owned());
        workload.manifest["metadata"]["namespace"] = Value::from(namespace);
    }
}

/// The network that a pod requests in place of the default one.
fn default_network(pod: &Pod) -> Option<(String, Option<String>)> {
    let name = pod.default_network().filter(|name| !name.contains(['[', '{', '"']))?;
    let text = pod.manifest["metadata"]["annotations"][crate::plan::DEFAULT_NETWORK].as_str()?;
    let namespace = text.split_once('/').map(|(namespace, _)| namespace.to_owned()).or(pod.namespace.clone());
    Some((name.to_owned(), namespace))
}

/// The network of a name: one in the namespace, else one that names none and is applied where the pod is. Of several texts
/// with the same object, the pod's own file comes first.
fn find(objects: &Objects, file: &str, name: &str, namespace: Option<&str>) -> Option<usize> {
    let space = |namespace: Option<&str>| namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned();
    let candidates = || objects.networks.iter().enumerate().filter(|(_, network)| network.name == name);
    let is_here = |network: &Network| network.source.file == file;
    let exact = |network: &Network| space(network.namespace.as_deref()) == space(namespace);
    let anywhere = |network: &Network| network.namespace.is_none();
    let mut found = candidates().find(|(_, network)| is_here(network) && exact(network));
    found = found.or_else(|| candidates().find(|(_, network)| is_here(network) && anywhere(network)));
    found = found.or_else(|| candidates().find(|(_, network)| exact(network)));
    found.or_else(|| candidates().find(|(_, network)| anywhere(network))).map(|(index, _)| index)
}

/// The network as it is applied in a namespace.
fn in_namespace(network: &Network, namespace: Option<String>) -> Network {
    let mut network = network.clone();
    if network.namespace != namespace {
        if let Some(metadata) = network.manifest.as_mut().and_then(|manifest| manifest["metadata"].as_object_mut()) {
            match &namespace {
                Some(namespace) => metadata.insert("namespace".to_owned(), Value::from(namespace.as_str())),
                None => metadata.remove("namespace"),
            };
        }
        network.namespace = namespace;
    }
    network
}

fn missing(objects: &Objects, pod: &Pod, name: &str, namespace: Option<&str>) -> InputError {
    let whole = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
    let message = format!("pod `{}` requests network `{whole}`, which these files do not have", pod.name);
    let error = InputError::new(pod.source.clone(), format!("metadata.annotations[{NETWORKS}]"), message);
    let elsewhere =
        objects.networks.iter().find(|network| network.name == name).and_then(|one| one.namespace.as_deref());
    match elsewhere {
        Some(namespace) => error.help(format!("there is one in namespace `{namespace}`")),
        None => error
            .suggest(name, objects.networks.iter().map(|network| network.name.as_str()))
            .or_help(|| "name the file with the network too".to_owned()),
    }
}

/// Adds a pod object to the groups that share a network with it, which become one; to none that has a pod of its name, or
/// another network of the name and namespace of one of its own.
fn add(groups: &mut Vec<Group>, found: Resolved) {
    let Resolved { object, networks, assumed } = found;
    let (indexes, networks): (Vec<usize>, Vec<Network>) = networks.into_iter().unzip();
    let selectors = std::iter::once(&object.name).chain(object.pods.iter().map(|pod| &pod.name)).cloned().collect();
    let own = Group {
        name: object.name,
        networks,
        pods: object.pods,
        workloads: object.workload.into_iter().collect(),
        assumed,
        adaptations: object.adaptations,
        selectors,
        indexes,
    };
    let mut group = Group::default();
    let mut index = 0;
    let mut place = None;
    while index < groups.len() {
        let other = &groups[index];
        let fits = own.shares_network(other) && !own.clashes(other) && !group.clashes(other);
        match place {
            _ if !fits => index += 1,
            None => {
                place = Some(index);
                group = std::mem::take(&mut groups[index]);
                index += 1;
            }
            Some(_) => {
                let other = groups.remove(index);
                group.join(other);
            }
        }
    }
    group.join(own);
    match place {
        Some(index) => groups[index] = group,
        None => groups.push(group),
    }
}

impl Group {
    fn shares_network(&self, other: &Self) -> bool {
        self.indexes.iter().any(|index| other.indexes.contains(index))
    }

    /// The networks with their positions.
    fn numbered(&self) -> impl Iterator<Item = (usize, &Network)> {
        self.indexes.iter().copied().zip(&self.networks)
    }

    /// Whether both have a pod of one name, or different networks of one name in one namespace.
    fn clashes(&self, other: &Self) -> bool {
        let is_same = |one: &Network, also: &Network| (&one.name, &one.namespace) == (&also.name, &also.namespace);
        let has_pod = self.pods.iter().any(|pod| other.pods.iter().any(|also| also.name == pod.name));
        has_pod
            || self.numbered().any(|(index, network)| {
                other.numbered().any(|(number, also)| index != number && is_same(network, also))
            })
    }

    /// Adds the content of a group that does not clash with this one.
    fn join(&mut self, other: Self) {
        if self.name.is_empty() {
            self.name = other.name;
        }
        for (index, network) in other.indexes.into_iter().zip(other.networks) {
            let is_there =
                self.networks.iter().any(|own| (&own.name, &own.namespace) == (&network.name, &network.namespace));
            if !is_there {
                self.indexes.push(index);
                self.networks.push(network);
            }
        }
        self.pods.extend(other.pods);
        self.workloads.extend(other.workloads);
        self.assumed.extend(other.assumed);
        self.adaptations.extend(other.adaptations);
        self.selectors.extend(other.selectors);
    }
}

/// A network that no pod requests, with a pod that does.
fn own_pod(index: usize, network: &Network) -> Group {
    let of_network = &network.name;
    // The name of a pod is its host name too.
    let name: String = of_network.chars().take(63).collect();
    let mut assumed = vec![format!("pod {name}, because no pod requests network {of_network}")];
    let mut element = json!({ "name": of_network, "interface": INTERFACE });
    let mut ips = Vec::new();
    if let Some(chain) = network.chain.as_ref().filter(|chain| needs_ips(chain)) {
        let address = choose_address(chain);
        assumed.push(format!(
            "ips [\"{address}\"] in the request of pod {name}: network {of_network} has the capability `ips` and no address"
        ));
        element["ips"] = json!([address]);
        ips.push(address);
    }
    let mut metadata = json!({ "name": name, "annotations": { NETWORKS: Value::Array(vec![element]).to_string() } });
    if let Some(namespace) = &network.namespace {
        metadata["namespace"] = Value::from(namespace.as_str());
    }
    let container = json!({ "name": "main", "image": IMAGE, "command": ["sleep", "infinity"] });
    let spec = json!({ "terminationGracePeriodSeconds": 1, "containers": [container] });
    let attachment = Attachment::new(of_network, INTERFACE, ips);
    let pod = Pod {
        name: name.clone(),
        namespace: network.namespace.clone(),
        manifest: json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec }),
        attachments: vec![attachment],
        node: None,
        source: network.source.clone(),
    };
    Group { name, networks: vec![network.clone()], pods: vec![pod], assumed, indexes: vec![index], ..Group::default() }
}

/// An address for a pod of this network: beside the gateways of its routes, which must be reachable.
fn choose_address(chain: &Chain) -> String {
    let ipam = chain.links.first().and_then(|main| go_key(main.conf.as_object()?, "ipam")?.as_object());
    let routes = ipam.and_then(|ipam| go_key(ipam, "routes")).and_then(Value::as_array);
    let gateways = routes.into_iter().flatten().filter_map(|route| {
        go_key(route.as_object()?, "gw")?.as_str()?.parse::<IpAddr>().ok().filter(|gateway| !gateway.is_unspecified())
    });
    let beside = |gateway: IpAddr| {
        let net = IpNet::new(gateway, if gateway.is_ipv4() { 24 } else { 64 }).ok()?.trunc();
        let free = net.hosts().skip(9).find(|address| *address != gateway)?;
        Some(format!("{free}/{}", net.prefix_len()))
    };
    gateways.into_iter().find_map(beside).unwrap_or_else(|| ADDRESS.to_owned())
}
