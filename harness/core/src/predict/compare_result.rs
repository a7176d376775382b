//! Comparing the result that a model predicts with the one that the plugin reported.

use super::case::PluginCase;
use super::result::{
    CniResult, Dns, PredictedInterface, PredictedMac, PredictedResult, PredictedSandbox, ReportedAddress,
    ReportedInterface, ReportedRoute, read_mac,
};
use crate::state::Subject;
use ipnet::IpNet;
use std::fmt::{self, Display};

/// Versions of results that have another shape.
const OLD_VERSIONS: [&str; 2] = ["0.1.0", "0.2.0"];

/// What of a result differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultFact {
    /// All of it.
    Whole,
    /// Its version.
    Version,
    /// An interface, by name; empty for one whose name the plugin chooses.
    Interface(String),
    /// An address.
    Address(IpNet),
    /// A route, by destination.
    Route(IpNet),
    /// The DNS settings.
    Dns,
    /// An entry that can't be read.
    Entry,
}

impl Display for ResultFact {
    /// As in `address 10.0.0.2/24 of the CNI result`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => return f.write_str("CNI result"),
            Self::Version => f.write_str("version")?,
            Self::Interface(name) if name.is_empty() => f.write_str("other end of a veth")?,
            Self::Interface(name) => write!(f, "interface {name}")?,
            Self::Address(address) => write!(f, "address {address}")?,
            Self::Route(to) => write!(f, "route {to}")?,
            Self::Dns => f.write_str("DNS settings")?,
            Self::Entry => f.write_str("entry")?,
        }
        f.write_str(" of the CNI result")
    }
}

/// A part of a result that is not as predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultDifference {
    /// Which part.
    pub fact: ResultFact,
    /// What was expected; none for what was not.
    pub expected: Option<String>,
    /// What was found.
    pub found: Option<String>,
    /// The key of the configuration that requests it; empty where none does.
    pub key: String,
}

impl ResultDifference {
    fn new(fact: ResultFact, expected: Option<String>, found: Option<String>, key: &str) -> Self {
        Self { fact, expected, found, key: key.to_owned() }
    }
}

/// An error instead of the result of an ADD that succeeded.
pub fn error_instead(case: &PluginCase<'_>) -> Option<ResultDifference> {
    let error = case.reported()?.error.as_ref()?;
    let expected = Some("a result".to_owned());
    Some(ResultDifference::new(ResultFact::Whole, expected, Some(format!("an error, {error}")), ""))
}

/// Compares a predicted result with the reported one. `mac_of` is the MAC address of a link after the call. With the
/// differences is the number of parts that were compared.
pub fn compare_result(
    case: &PluginCase<'_>,
    predicted: &PredictedResult,
    mac_of: impl Fn(Subject, &str) -> Option<String>,
) -> (Vec<ResultDifference>, usize) {
    let version = case.text(&["cniVersion"]).unwrap_or_default();
    let Some(reported) = case.reported().filter(|_| !version.is_empty() && !OLD_VERSIONS.contains(&version)) else {
        return (Vec::new(), 0);
    };
    let mut differences = Vec::new();
    if !reported.version.is_empty() && reported.version != version {
        let (expected, found) = (Some(version.to_owned()), Some(reported.version.clone()));
        differences.push(ResultDifference::new(ResultFact::Version, expected, found, ""));
    }
    let unreadable = reported.unreadable.iter().map(|entry| {
        let expected = Some("entries that a runtime can read".to_owned());
        ResultDifference::new(ResultFact::Entry, expected, Some(entry.clone()), "")
    });
    differences.extend(unreadable);
    let interfaces = compare_interfaces(predicted, reported, case.variable("CNI_NETNS"), &mac_of);
    let lacks = |name: &str| {
        let is_it = |one: &ResultDifference| one.fact == ResultFact::Interface(name.to_owned());
        interfaces.iter().any(is_it) && !reported.interfaces.iter().any(|one| one.name == name)
    };
    let addresses = compare_addresses(predicted, reported, lacks);
    differences.extend(interfaces);
    differences.extend(addresses);
    differences.extend(compare_routes(predicted, reported));
    if let Some((dns, key)) = &predicted.dns
        && *dns != reported.dns
    {
        let text = |dns: &Dns| Some(dns.to_string()).filter(|text| !text.is_empty());
        differences.push(ResultDifference::new(ResultFact::Dns, text(dns), text(&reported.dns), key));
    }
    let parts = 1 + predicted.interfaces.len() + predicted.addresses.len() + predicted.routes.len();
    (differences, parts + usize::from(predicted.dns.is_some()))
}

fn compare_interfaces(
    predicted: &PredictedResult,
    reported: &CniResult,
    sandbox: &str,
    mac_of: &impl Fn(Subject, &str) -> Option<String>,
) -> Vec<ResultDifference> {
    let mut rest: Vec<&ReportedInterface> = reported.interfaces.iter().collect();
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    let (named, others): (Vec<_>, Vec<_>) = predicted.interfaces.iter().partition(|one| one.name.is_some());
    for wanted in named.into_iter().chain(others) {
        let mac = match &wanted.mac {
            PredictedMac::OfLink(subject, link) => mac_of(*subject, link).filter(|mac| read_mac(mac).is_some()),
            PredictedMac::Text(mac) => Some(mac.clone()).filter(|mac| read_mac(mac).is_some()),
        };
        let name = wanted.name.clone().unwrap_or_default();
        let expected = ReportedInterface {
            name: wanted.name.clone().unwrap_or_else(|| "a veth of the node".to_owned()),
            mac: mac.clone().unwrap_or_default(),
            sandbox: match &wanted.sandbox {
                PredictedSandbox::Node => String::new(),
                PredictedSandbox::Pod => sandbox.to_owned(),
                PredictedSandbox::Text(text) => text.clone(),
            },
        };
        let fits = |one: &&ReportedInterface| match &wanted.name {
            Some(name) => one.name == *name,
            None => one.sandbox.is_empty(),
        };
        let Some(place) = rest.iter().position(fits) else {
            let fact = ResultFact::Interface(name);
            missing.push(ResultDifference::new(fact, Some(expected.to_string()), None, &wanted.key));
            continue;
        };
        let found = rest.remove(place);
        let is_place_right = has_sandbox(wanted, found, sandbox);
        if !is_place_right || mac.is_some_and(|mac| mac != found.mac) {
            let fact = ResultFact::Interface(name);
            let (expected, found) = (Some(expected.to_string()), Some(found.to_string()));
            wrong.push(ResultDifference::new(fact, expected, found, &wanted.key));
        }
    }
    let surplus = rest.into_iter().map(|found| {
        ResultDifference::new(ResultFact::Interface(found.name.clone()), None, Some(found.to_string()), "")
    });
    wrong.extend(join(missing, surplus.collect(), |_, _| true));
    wrong
}

/// Whether an interface is where it was expected. Without a path of the pod's namespace any one is right.
fn has_sandbox(wanted: &PredictedInterface, found: &ReportedInterface, sandbox: &str) -> bool {
    match &wanted.sandbox {
        PredictedSandbox::Node => found.sandbox.is_empty(),
        PredictedSandbox::Pod => !found.sandbox.is_empty() && (sandbox.is_empty() || found.sandbox == sandbox),
        PredictedSandbox::Text(text) => found.sandbox == *text,
    }
}

/// An address that names no interface because the result lacks it is no difference of its own.
fn compare_addresses(
    predicted: &PredictedResult,
    reported: &CniResult,
    lacks: impl Fn(&str) -> bool,
) -> Vec<ResultDifference> {
    let mut rest: Vec<&ReportedAddress> = reported.addresses.iter().collect();
    let mut missing = Vec::new();
    for (wanted, key) in &predicted.addresses {
        let is_same = |one: &ReportedAddress| {
            let same_interface = one.interface == wanted.interface
                || one.interface.is_none() && wanted.interface.as_deref().is_some_and(&lacks);
            one.address == wanted.address && one.gateway == wanted.gateway && same_interface
        };
        match rest.iter().position(|one| is_same(one)) {
            Some(place) => drop(rest.remove(place)),
            None => {
                let fact = ResultFact::Address(wanted.address);
                missing.push(ResultDifference::new(fact, Some(wanted.to_string()), None, key));
            }
        }
    }
    let surplus = |one: &ReportedAddress| {
        ResultDifference::new(ResultFact::Address(one.address), None, Some(one.to_string()), "")
    };
    join(missing, rest.into_iter().map(surplus).collect(), |one, other| match (&one.fact, &other.fact) {
        (ResultFact::Address(one), ResultFact::Address(other)) => one.addr().is_ipv4() == other.addr().is_ipv4(),
        _ => false,
    })
}

fn compare_routes(predicted: &PredictedResult, reported: &CniResult) -> Vec<ResultDifference> {
    let mut rest: Vec<&ReportedRoute> = reported.routes.iter().collect();
    let mut missing = Vec::new();
    for (wanted, key) in &predicted.routes {
        // Releases of the plugins differ in the numbers that they pass on.
        let same = |one: Option<u32>, other: Option<u32>| one.is_none() || other.is_none() || one == other;
        let is_same = |one: &ReportedRoute| {
            one.to == wanted.to
                && one.via == wanted.via
                && same(one.metric, wanted.metric)
                && same(one.table, wanted.table)
        };
        match rest.iter().position(|one| is_same(one)) {
            Some(place) => drop(rest.remove(place)),
            None => {
                let fact = ResultFact::Route(wanted.to);
                missing.push(ResultDifference::new(fact, Some(wanted.to_string()), None, key));
            }
        }
    }
    let surplus =
        |one: &ReportedRoute| ResultDifference::new(ResultFact::Route(one.to), None, Some(one.to_string()), "");
    join(missing, rest.into_iter().map(surplus).collect(), |one, other| one.fact == other.fact)
}

/// What is missing, and another one that stands for it, are one difference with a wrong value.
fn join(
    mut missing: Vec<ResultDifference>,
    mut surplus: Vec<ResultDifference>,
    stands_for: impl Fn(&ResultDifference, &ResultDifference) -> bool,
) -> Vec<ResultDifference> {
    for wanted in &mut missing {
        if let Some(place) = surplus.iter().position(|other| stands_for(wanted, other)) {
            wanted.found = surplus.remove(place).found;
        }
    }
    missing.extend(surplus);
    missing
}
