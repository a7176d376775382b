//! The judge: compares the four views of an attachment, for every lane alike.
//!
//! | view | source | module |
//! |---|---|---|
//! | requested | the plan: attachments, expectations, chains | [`crate::plan`] |
//! | reported | CNI results and network-status | `reported`, read into one shape |
//! | kernel | links, addresses, routes of the pod's namespace | [`crate::observe::KernelState`] |
//! | kernel | what changed with each plugin call, against the prediction | `predicted`, [`crate::predict`] |
//! | wire | probes, listeners and captures | [`crate::wire::WireObservation`] |
//!
//! Every disagreement is a finding of its own; the judge does not stop at the first. It knows no lane and no retry. The
//! text of a log never decides a verdict: log lines only become notes of findings that stand without them.

mod addresses;
mod attachments;
mod causes;
mod default_routes;
mod interfaces;
mod judgement;
mod messages;
mod pod_case;
mod predicted;
mod reported;
mod routes;
mod segment;
mod wire;

pub use judgement::{Judgement, fold};

use crate::finding::{Finding, FindingCode};
use crate::observe::{LeakKind, Observation, PodObservation, PodState, is_v6_link_local};
use crate::plan::{Attachment, Network, Plan, Pod, PodExpectation};
use crate::rules::{self, ClusterFacts, Context, PodRequests, Releases, Use};
use crate::verdict::Verdict;
use ipnet::IpNet;
use judgement::JudgementBuilder;
use pod_case::PodCase;

/// Judges and gives the verdict in one step. `strict` makes warnings fail.
pub fn verdict(plan: &Plan, observation: &Observation, strict: bool) -> Verdict {
    fold(judge(plan, observation), strict)
}

/// Compares a plan with what was observed of it.
pub fn judge(plan: &Plan, observation: &Observation) -> Judgement {
    let mut judgement = JudgementBuilder::default();
    for pod in &plan.pods {
        match observation.pod(&pod.name) {
            Some(observed) => judge_pod(plan, pod, observed, &observation.cluster_ranges, &mut judgement),
            None => judgement.add_unobserved(format!("pod {} was not observed", pod.name)),
        }
    }
    segment::judge(plan, observation, &mut judgement);
    wire::judge(plan, observation, &mut judgement);
    judge_leaks(plan, observation, &mut judgement);
    for pod in &plan.pods {
        if let Some(observed) = observation.pod(&pod.name) {
            predicted::judge_removed(plan, pod, observed, &mut judgement);
        }
    }
    if !observation.releases.is_empty() {
        let releases = observation.releases.iter().map(|(plugin, release)| format!("{plugin} {release}"));
        let releases = releases.collect::<Vec<_>>().join(", ");
        judgement.add_note(format!("releases of the plugins that were given, by their build information: {releases}"));
    }
    for finding in lint(plan, &Releases::from(observation.releases.clone())) {
        judgement.add_finding(finding);
    }
    judgement.finish()
}

/// The MTU that the kernel gives to bridges and their VLAN interfaces (`ETH_DATA_LEN`); lanes set no other one.
const DEFAULT_MTU: u32 = 1500;

/// What the rules about configurations find in a plan: `PL6xx`. Nothing here fails a scenario but a configuration of which
/// no chain can be made: the run goes on, and what the plugins do with it is seen in the kernel.
pub fn lint(plan: &Plan, releases: &Releases) -> Vec<Finding> {
    let topology = &plan.topology;
    let cluster = ClusterFacts {
        mtus: topology.link_names().map(|name| (name.to_owned(), DEFAULT_MTU)).collect(),
        tuning_allow_list: Some(topology.tuning_allow_list.clone()).filter(|list| !list.is_empty()),
        ..ClusterFacts::default()
    };
    let context_of = |network: &Network| {
        let is_default = plan.pods.iter().any(|pod| pod.default_network() == Some(network.name.as_str()));
        let network_use = if is_default { Use::DefaultNetwork } else { Use::Run };
        Context { network_use, releases, cluster: &cluster }
    };
    let networks: Vec<(&Network, Context<'_>)> =
        plan.networks.iter().map(|network| (network, context_of(network))).collect();
    let pods: Vec<PodRequests> = plan.pods.iter().map(PodRequests::from).collect();
    let index =
        |pod: &Pod, attachment: &Attachment| plan.networks.iter().position(|network| attachment.names(pod, network));
    let indexes: Vec<Vec<Option<usize>>> =
        plan.pods.iter().map(|pod| pod.attachments.iter().map(|attachment| index(pod, attachment)).collect()).collect();
    let mut findings = rules::check_pods(&networks, &pods, &indexes);
    // One that exists already has no text here.
    for (network, context) in networks.iter().filter(|(network, _)| network.manifest.is_some()) {
        findings.extend(rules::check_network(network, context));
    }
    findings
}

fn judge_pod(plan: &Plan, pod: &Pod, observed: &PodObservation, ranges: &[IpNet], judgement: &mut JudgementBuilder) {
    if let PodState::NotReady { reason } = &observed.state {
        attachments::not_ready(plan, pod, observed, reason, judgement);
        return;
    }
    let Some(kernel) = &observed.kernel else {
        judgement.add_unobserved(format!("pod {} runs, but its network namespace was not read", pod.name));
        return;
    };
    let reported = reported::read_reported(observed);
    attachments::attached(plan, pod, observed, kernel, &reported, judgement);
    let expectation = plan.expect.iter().find(|expectation| expectation.pod == pod.name);
    let case = PodCase { pod, observed, kernel, reported: &reported, expectation };
    reported::judge(&case, judgement);
    if let Some(expectation) = expectation {
        for wanted in &expectation.interfaces {
            interfaces::judge(&case, wanted, judgement);
        }
        default_routes::judge_defaults(&case, expectation, judgement);
        judge_sysctls(&case, expectation, judgement);
        judge_link_local(&case, expectation, judgement);
    }
    default_routes::judge_cluster_ranges(plan, &case, ranges, judgement);
    predicted::judge_attached(plan, pod, observed, judgement);
    attachments::judge_stderr(&case, judgement);
}

/// The sysctls of the pod (`PL340`).
fn judge_sysctls(case: &PodCase<'_>, expectation: &PodExpectation, judgement: &mut JudgementBuilder) {
    for (name, wanted) in &expectation.sysctls {
        judgement.count_fact();
        let found = case.observed.sysctls.get(name);
        if found != Some(&wanted.value) {
            let entry = case.pod_finding(FindingCode::PL340, format!("{name} has a wrong value"), &wanted.source);
            let found = found.map_or_else(|| "there is no such sysctl".to_owned(), Clone::clone);
            judgement.add_finding(entry.expected(wanted.value.clone()).found(found));
        }
    }
}

/// The IPv6 link-local addresses of the pod (`PL341`).
fn judge_link_local(case: &PodCase<'_>, expectation: &PodExpectation, judgement: &mut JudgementBuilder) {
    let Some(wanted) = &expectation.link_local else { return };
    judgement.count_fact();
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for link in &case.kernel.links {
        for address in link.addresses.iter().filter(|address| is_v6_link_local(address.address.addr())) {
            found.push(format!("one on {}", link.name));
            notes.push(format!("{} on {}", address.address, link.name));
        }
    }
    if found.is_empty() != wanted.value {
        return;
    }
    let (message, expected) = match wanted.value {
        true => ("no IPv6 link-local address", "one on some interface"),
        false => ("IPv6 link-local address present", "none on any interface"),
    };
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    let entry = case.pod_finding(FindingCode::PL341, message, &wanted.source).expected(expected);
    judgement.add_finding(entry.found(found).notes(notes));
}

/// Leaks: state that remains after the pods are deleted (`PL501`, and `PL510` to `PL512`). Judged where the lane looked
/// for it after it had deleted the pods.
fn judge_leaks(plan: &Plan, observation: &Observation, judgement: &mut JudgementBuilder) {
    let Some(leaks) = &observation.leaks else { return };
    judgement.count_fact();
    let mut findings: Vec<Finding> = Vec::new();
    for leak in leaks {
        let (code, lies) = match leak.kind {
            LeakKind::Lease => (FindingCode::PL501, "lies in"),
            LeakKind::Firewall => (FindingCode::PL510, "is among"),
            LeakKind::Connection => (FindingCode::PL511, "is among"),
            LeakKind::Routing => (FindingCode::PL512, "is among"),
        };
        let entry = Finding::new(code, code.title()).found(leak.what.clone());
        let entry = entry.notes([format!("it {lies} {}", leak.place)]);
        let entry = match leak.pod.as_deref().and_then(|name| plan.pod(name)) {
            Some(pod) => entry.pod(&pod.name).source(&pod.source),
            None => entry,
        };
        // What one pod leaves of one kind is one finding.
        let is_same = |one: &&mut Finding| one.code == code && one.pod.is_some() && one.pod == entry.pod;
        if leak.kind == LeakKind::Lease && is_surplus_lease(&leak.what, judgement) {
            continue;
        }
        match findings.iter_mut().find(is_same) {
            Some(first) => first.notes.push(format!("with it: {} {lies} {}", leak.what, leak.place)),
            None => findings.push(entry),
        }
    }
    findings.into_iter().for_each(|finding| judgement.add_finding(finding));
}

/// Whether a lease (`10.0.0.2 of network n`) is one that a plugin was not to make: which is reported already.
fn is_surplus_lease(what: &str, judgement: &mut JudgementBuilder) -> bool {
    let file = what.split(' ').next().map(|address| format!("/{address} "));
    let is_it = |finding: &&mut Finding| {
        finding.code == FindingCode::PL352 && file.as_ref().is_some_and(|file| finding.message.contains(file))
    };
    let Some(finding) = judgement.findings_mut().iter_mut().find(is_it) else { return false };
    finding.notes.push("DEL leaves it".to_owned());
    true
}
