//! The requested state of an interface: by the scenario's expectations, else by the network.

use super::model::{Line, State};
use plumbline_core::plan::{
    Attachment, DefaultExpectation, InterfaceExpectation, Network, Plan, Pod, PodExpectation, WantedGateway,
    WantedRoute,
};
use serde_json::Value;

/// The requested state of one interface.
#[derive(Default)]
pub(super) struct Requested<'a> {
    /// The expectations of the scenario.
    pub expected: Option<&'a InterfaceExpectation>,
    /// Its expected default routes: `true` for IPv6.
    pub defaults: Vec<(bool, &'a DefaultExpectation)>,
    /// Addresses that the network and the pod's annotation name, with prefix where they have one.
    pub addresses: Vec<String>,
    /// Routes that the network names: destination, and gateway where it names one.
    pub routes: Vec<(String, Option<String>)>,
}

/// The requested state of an interface of a pod.
pub(super) fn of<'a>(plan: &'a Plan, pod: &Pod, interface: &str, attachment: Option<&Attachment>) -> Requested<'a> {
    let expectation = plan.expect.iter().find(|expectation| expectation.pod == pod.name);
    let mut requested = Requested {
        expected: expectation.and_then(|e| e.interfaces.iter().find(|wanted| wanted.name == interface)),
        defaults: expectation.map(|e| defaults(e, interface)).unwrap_or_default(),
        ..Requested::default()
    };
    if let Some(attachment) = attachment
        && let Some(network) = network(plan, attachment)
    {
        by_network(&mut requested, network, attachment);
    }
    requested
}

/// The plan's network that an attachment names.
pub(super) fn network<'a>(plan: &'a Plan, attachment: &Attachment) -> Option<&'a Network> {
    plan.networks.iter().find(|network| network.name == attachment.network)
}

fn defaults<'a>(expectation: &'a PodExpectation, interface: &str) -> Vec<(bool, &'a DefaultExpectation)> {
    let both = [(false, &expectation.default), (true, &expectation.default6)];
    let wanted = both.into_iter().filter_map(|(v6, wanted)| Some((v6, wanted.as_ref()?)));
    wanted.filter(|(_, wanted)| wanted.count.value > 0 && wanted.dev.value == interface).collect()
}

/// Literal addresses and routes of a chain, unless a later plugin removes them.
fn by_network(requested: &mut Requested<'_>, network: &Network, attachment: &Attachment) {
    requested.addresses.extend(attachment.ips.iter().cloned());
    let Some(chain) = &network.chain else { return };
    for link in &chain.links {
        let ipam = &link.conf["ipam"];
        if attachment.ips.is_empty() {
            requested.addresses.extend(texts(&ipam["addresses"], "address"));
        }
        requested.routes.extend(routes(&ipam["routes"]));
        if link.plugin == "route-override" {
            // Lists of args.cni take the place of the configured ones (route-override's README).
            let args = attachment.cni_args.as_ref();
            let field = |name: &str| args.and_then(|args| args.get(name)).unwrap_or(&link.conf[name]).clone();
            if field("flushroutes") == Value::Bool(true) {
                requested.routes.clear();
            }
            let gone = routes(&field("delroutes"));
            requested.routes.retain(|(to, _)| !gone.iter().any(|(gone, _)| gone == to));
            requested.routes.extend(routes(&field("addroutes")));
        }
    }
}

fn texts(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(|item| item[key].as_str().map(str::to_owned)).collect()
}

fn routes(list: &Value) -> Vec<(String, Option<String>)> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(|item| Some((item["dst"].as_str()?.to_owned(), item["gw"].as_str().map(str::to_owned)))).collect()
}

/// An expected route as `ip` would print it.
pub(super) fn route(wanted: &WantedRoute) -> String {
    let mut text = destination(&wanted.to.to_string());
    if let Some(WantedGateway::Address(via)) = wanted.via {
        text.push_str(&format!(" via {via}"));
    }
    if let Some(scope) = &wanted.scope {
        text.push_str(&format!(" scope {scope}"));
    }
    if let Some(src) = wanted.src {
        text.push_str(&format!(" src {src}"));
    }
    if let Some(table) = wanted.table.filter(|table| *table != super::observed::MAIN) {
        text.push_str(&format!(" table {table}"));
    }
    if let Some(metric) = wanted.metric {
        text.push_str(&format!(" metric {metric}"));
    }
    text
}

/// A destination as `ip` would print it.
pub(super) fn destination(to: &str) -> String {
    match to {
        "0.0.0.0/0" => "default".to_owned(),
        "::/0" => "default (IPv6)".to_owned(),
        other => other.to_owned(),
    }
}

/// The expectation of the link itself in one line, if there is one.
pub(super) fn link(wanted: &InterfaceExpectation) -> Option<String> {
    let mut parts = Vec::new();
    match (&wanted.kind, &wanted.parent) {
        (Some(kind), Some(parent)) => parts.push(format!("{} on {}", kind.value, parent.value)),
        (Some(kind), None) => parts.push(kind.value.clone()),
        (None, Some(parent)) => parts.push(format!("on {}", parent.value)),
        (None, None) => {}
    }
    parts.extend(wanted.state.as_ref().map(|state| state.value.clone()));
    parts.extend(wanted.mtu.as_ref().map(|mtu| format!("mtu {}", mtu.value)));
    parts.extend(wanted.mac.as_ref().map(|mac| format!("mac {}", mac.value)));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The lines of an interface without a run.
pub(super) fn lines(requested: &Requested<'_>) -> Vec<Line> {
    let mut texts = Vec::new();
    if let Some(wanted) = requested.expected {
        if wanted.absent {
            texts.push("must not be there".to_owned());
        }
        texts.extend(link(wanted));
    }
    match requested.expected.and_then(|wanted| wanted.addresses.as_ref()) {
        Some(list) => texts.extend(list.items.iter().map(|item| item.value.to_string())),
        None => texts.extend(requested.addresses.iter().cloned()),
    }
    match requested.expected.and_then(|wanted| wanted.routes.as_ref()) {
        Some(list) => texts.extend(list.items.iter().map(|item| route(&item.value))),
        None => texts.extend(requested.routes.iter().map(|(to, via)| plain(to, via.as_deref()))),
    }
    texts.extend(requested.defaults.iter().map(|(v6, wanted)| default(*v6, wanted)));
    if let Some(wanted) = requested.expected {
        let absent = wanted.absent_addresses.iter().chain(&wanted.absent_routes);
        texts.extend(absent.map(|absent| format!("without {}", destination(&absent.value.to_string()))));
    }
    texts.into_iter().map(|text| Line::new(text, State::Requested)).collect()
}

/// A route of a network's configuration.
pub(super) fn plain(to: &str, via: Option<&str>) -> String {
    let via = via.map(|via| format!(" via {via}")).unwrap_or_default();
    format!("{}{via}", destination(to))
}

/// The expected default route.
pub(super) fn default(v6: bool, wanted: &DefaultExpectation) -> String {
    let via = wanted.via.as_ref().map(|via| format!(" via {}", via.value)).unwrap_or_default();
    let only = if wanted.count.value == 1 { "the only default route" } else { "a default route" };
    format!("{only}{}{via}", if v6 { " of IPv6" } else { "" })
}
