//! Comparing what a model predicts of a call with what changed while the plugin ran: the frame rule. A change that was not
//! predicted is a difference, and a prediction without its change is one.

use super::expected::Expected;
use super::world::Predicted;
use crate::observe::is_v6_link_local;
use crate::state::format::link_of;
use crate::state::{Change, FactKey, FactKind, PodAndNode, Subject};
use ipnet::IpNet;
use std::collections::BTreeMap;

/// A fact that is not as predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose namespace.
    pub subject: Subject,
    /// Which fact.
    pub key: FactKey,
    /// What was expected, and why; none for a change that no prediction mentions.
    pub predicted: Option<Predicted>,
    /// The value before the call.
    pub before: Option<String>,
    /// The value after the call.
    pub found: Option<String>,
}

impl Difference {
    /// The value expected, as text.
    pub fn expected_text(&self) -> Option<String> {
        match &self.predicted {
            Some(predicted) => predicted.expected.describe(),
            None => self.before.clone(),
        }
    }

    /// The key of the configuration that requests it; empty where none does.
    pub fn key_path(&self) -> &str {
        self.predicted.as_ref().map_or("", |predicted| predicted.cause.key.as_str())
    }
}

/// How many facts were predicted, and how many of them only within limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Facts with an exact value.
    pub exact: usize,
    /// Facts with a constraint.
    pub constrained: usize,
}

impl Coverage {
    /// The sum of two.
    pub fn add(&mut self, other: Self) {
        self.exact += other.exact;
        self.constrained += other.constrained;
    }
}

/// Compares the predictions of one call with its changes. `before` is the state before the call.
pub fn compare(
    before: &PodAndNode,
    predicted: &BTreeMap<(Subject, FactKey), Predicted>,
    changes: &[Change],
) -> (Vec<Difference>, Coverage) {
    let mut differences = Vec::new();
    let mut coverage = Coverage::default();
    let changed: BTreeMap<(Subject, &FactKey), &Change> =
        changes.iter().map(|change| ((change.subject, &change.key), change)).collect();
    for ((subject, key), predicted) in predicted {
        if settles_later(key) {
            continue;
        }
        match &predicted.expected {
            Expected::Free => {}
            expected if expected.is_constraint() => coverage.constrained += 1,
            _ => coverage.exact += 1,
        }
        let old = before.of(*subject).get(key);
        let found = changed.get(&(*subject, key)).map_or(old, |change| change.after.as_deref());
        let holder = match (&predicted.expected, found) {
            (Expected::OwnMac, Some(mac)) => other_holder(before, &changed, (*subject, key), mac),
            _ => None,
        };
        if !predicted.expected.admits(found) || holder.is_some() {
            let found = match (found, holder) {
                (Some(found), Some(holder)) => Some(format!("{found}, which {holder} has too")),
                (found, _) => found.map(str::to_owned),
            };
            differences.push(Difference {
                subject: *subject,
                key: key.clone(),
                predicted: Some(predicted.clone()),
                before: old.map(str::to_owned),
                found,
            });
        }
    }
    for change in changes.iter().filter(|change| !settles_later(&change.key)) {
        if !predicted.contains_key(&(change.subject, change.key.clone())) {
            differences.push(Difference {
                subject: change.subject,
                key: change.key.clone(),
                predicted: None,
                before: change.before.clone(),
                found: change.after.clone(),
            });
        }
    }
    (join_moved(differences), coverage)
}

/// Another link of pod or node that has this MAC address after the call.
fn other_holder(
    before: &PodAndNode,
    changed: &BTreeMap<(Subject, &FactKey), &Change>,
    (subject, key): (Subject, &FactKey),
    mac: &str,
) -> Option<String> {
    let is_mac = |key: &FactKey| key.kind == FactKind::Link && key.item == "mac";
    let old = [Subject::Pod, Subject::Node].into_iter().flat_map(|of| {
        let facts = before.of(of).iter().filter(|(key, _)| is_mac(key));
        facts.filter(move |(key, _)| !changed.contains_key(&(of, *key))).map(move |(key, value)| (of, key, value))
    });
    let new = changed.iter().filter_map(|((of, key), change)| Some((*of, *key, change.after.as_deref()?)));
    let mut holders = old.chain(new.filter(|(_, key, _)| is_mac(key)));
    let (of, holder, _) = holders.find(|(of, other, value)| *value == mac && (*of, *other) != (subject, key))?;
    Some(link_of(&holder.link, of))
}

/// One cause is one difference: a route or an address that is expected or was there, and another one of the same destination
/// that is not, are one with a wrong value.
pub fn join_moved(differences: Vec<Difference>) -> Vec<Difference> {
    let (mut missing, mut rest): (Vec<_>, Vec<_>) = differences.into_iter().partition(|one| one.found.is_none());
    for stands_for in [is_same, is_resized] {
        for wanted in missing.iter_mut().filter(|one| one.found.is_none()) {
            let fits = |other: &Difference| {
                other.predicted.is_none() && other.subject == wanted.subject && stands_for(other, wanted)
            };
            if let Some(place) = rest.iter().position(fits) {
                let other = rest.remove(place);
                let device =
                    if other.key.link == wanted.key.link { String::new() } else { format!("dev {} ", other.key.link) };
                wanted.found = Some(format!("{} {device}{}", other.key.item, other.found.unwrap_or_default()));
            }
        }
    }
    missing.extend(rest);
    missing
}

/// Whether two facts are the same one with another identity: a route to one network, an address of one interface.
fn is_same(one: &Difference, other: &Difference) -> bool {
    let (one, other) = (&one.key, &other.key);
    let destination = |key: &FactKey| key.item.split(' ').next().unwrap_or_default().to_owned();
    match (one.kind, other.kind) {
        (FactKind::Route, FactKind::Route) => destination(one) == destination(other),
        (FactKind::Address, FactKind::Address) => {
            let is_v4 = |key: &FactKey| !key.item.contains(':');
            one.link == other.link && is_v4(one) == is_v4(other)
        }
        _ => false,
    }
}

/// Whether a route is the other one with another prefix length.
fn is_resized(found: &Difference, wanted: &Difference) -> bool {
    let destination = |key: &FactKey| key.item.split(' ').next()?.parse::<IpNet>().ok();
    let (Some(one), Some(other)) = (destination(&found.key), destination(&wanted.key)) else { return false };
    let are_routes = found.key.kind == FactKind::Route && wanted.key.kind == FactKind::Route;
    are_routes
        && found.key.link == wanted.key.link
        && found.found == wanted.expected_text()
        && (one.contains(&other) || other.contains(&one))
}

/// Whether a fact appears some time after its cause, when carrier or duplicate address detection have settled: link-local
/// addresses of IPv6 and their routes, and the local table of IPv6 (`addrconf_dad_completed`, net/ipv6/addrconf.c).
pub fn settles_later(key: &FactKey) -> bool {
    match key.kind {
        FactKind::Address => key.item.parse::<IpNet>().is_ok_and(|net| is_v6_link_local(net.addr())),
        FactKind::Route => {
            let mut words = key.item.split(' ');
            let Some(Ok(IpNet::V6(to))) = words.next().map(str::parse::<IpNet>) else { return false };
            is_v6_link_local(to.addr().into()) || to.addr().is_multicast() || key.item.contains(" table 255")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::Cause;

    fn key(item: &str) -> FactKey {
        FactKey::new(FactKind::Route, "eth1", item)
    }

    fn change(item: &str, after: Option<&str>) -> Change {
        Change { subject: Subject::Pod, key: key(item), before: None, after: after.map(str::to_owned) }
    }

    fn predicted(items: &[(&str, Expected)]) -> BTreeMap<(Subject, FactKey), Predicted> {
        items
            .iter()
            .map(|(item, expected)| {
                let predicted = Predicted { expected: expected.clone(), cause: Cause::default() };
                ((Subject::Pod, key(item)), predicted)
            })
            .collect()
    }

    #[test]
    fn a_change_without_prediction_and_a_prediction_without_change_are_differences() {
        let before = PodAndNode::default();
        let wanted =
            predicted(&[("10.0.0.0/8", Expected::value("via 10.1.1.1")), ("10.1.0.0/16", Expected::value("x"))]);
        let changes = [change("10.0.0.0/8", Some("via 10.1.1.1")), change("10.9.0.0/16", Some("y"))];
        let (differences, coverage) = compare(&before, &wanted, &changes);
        let shown: Vec<_> = differences.iter().map(|one| (one.key.item.as_str(), one.found.as_deref())).collect();
        assert_eq!(shown, [("10.1.0.0/16", None), ("10.9.0.0/16", Some("y"))]);
        assert_eq!(coverage, Coverage { exact: 2, constrained: 0 });
    }

    #[test]
    fn a_route_with_another_metric_is_one_difference() {
        let wanted = predicted(&[("10.0.0.0/8", Expected::value("via 10.1.1.1"))]);
        let changes = [change("10.0.0.0/8 metric 100", Some("via 10.1.1.1"))];
        let (differences, _) = compare(&PodAndNode::default(), &wanted, &changes);
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].found.as_deref(), Some("10.0.0.0/8 metric 100 via 10.1.1.1"));
    }

    #[test]
    fn what_settles_later_is_not_compared_here() {
        for item in
            ["fe80::/64 metric 256", "ff00::/8 table 255 metric 256", "fd00::1/128 table 255", "fe80::/128 table 255"]
        {
            assert!(settles_later(&key(item)), "{item}");
        }
        for item in
            ["fd00::/64 metric 256", "10.0.0.1/32 table 255", "::/0 metric 1024", "fd00::/64 table 100 metric 1024"]
        {
            assert!(!settles_later(&key(item)), "{item}");
        }
        let address = |item: &str| FactKey::new(FactKind::Address, "eth1", item);
        assert!(settles_later(&address("fe80::1/64")) && !settles_later(&address("fd00::1/64")));
    }
}
