//! Expectations: the `expect` part of a scenario file, made into typed facts with their places in the file.

mod egress;
mod endpoint;
mod ingress;
mod kernel;
mod routes;

use super::error::InputError;
use super::file::{InterfaceFile, PodFile};
use super::forms::LINK_KINDS;
use super::mistakes::Mistakes;
use super::names;
use super::objects::PodGroup;
use super::strict::{ListOr, Located};
use crate::plan::{InterfaceExpectation, Network, Pod, PodExpectation, Topology, Wanted, WantedList};
use crate::source::Source;
use crate::suggestion::did_you_mean;
use ipnet::IpNet;

/// What expectations may name.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The networks.
    pub networks: &'a [Network],
    /// The pods, copies and replicas one by one.
    pub pods: &'a [Pod],
    /// Which of them one name stands for.
    pub groups: &'a [PodGroup],
    /// Nodes, bridges and hosts.
    pub topology: &'a Topology,
}

/// Reads what is expected of one pod, or of all pods of one group.
pub(super) struct Reader<'a, 'm> {
    mistakes: &'m mut Mistakes<'a>,
    scene: Scene<'m>,
    claims: usize,
    absences: Vec<Source>,
}

impl<'a, 'm> Reader<'a, 'm> {
    /// A reader for one pod's part of a file.
    pub fn new(mistakes: &'m mut Mistakes<'a>, scene: Scene<'m>) -> Self {
        Self { mistakes, scene, claims: 0, absences: Vec::new() }
    }

    /// Reads it all. Gives one expectation per pod, or none where a mistake was found.
    pub fn pod(mut self, name: &Located<String>, pod: &PodFile) -> Vec<PodExpectation> {
        let before = self.mistakes.errors.len();
        let source = self.mistakes.source(name);
        let names = self.scene.named(&name.value);
        if names.is_empty() {
            let message = format!("there is no pod `{}` in this scenario", name.value);
            let error = self.mistakes.error_at_key(name, message).suggest(&name.value, self.scene.pod_names());
            self.mistakes.errors.push(error);
        }
        let mut interfaces = Vec::new();
        for (ifname, wanted) in &pod.interfaces.0 {
            self.mistakes.check_key(ifname, names::interface);
            interfaces.push(self.interface(ifname, &wanted.value));
        }
        for (ifname, lists) in &pod.routes.0 {
            self.mistakes.check_key(ifname, names::interface);
            let (routes, absent_routes) = self.routes(lists);
            let known = interfaces.iter().position(|known: &InterfaceExpectation| known.name == ifname.value);
            let index = known.unwrap_or_else(|| {
                interfaces.push(self.empty_interface(ifname));
                interfaces.len() - 1
            });
            let interface = &mut interfaces[index];
            if interface.absent {
                let error = self.mistakes.error_at_key(ifname, "routes of an interface that must be absent");
                self.mistakes.errors.push(error);
            }
            (interface.routes, interface.absent_routes) = (routes, absent_routes);
        }
        let default = pod.default.as_ref().and_then(|wanted| self.default(wanted, false));
        let default6 = pod.default6.as_ref().and_then(|wanted| self.default(wanted, true));
        let reaches = self.reaches(&pod.reaches, &names);
        let cannot_reach = self.cannot_reach(&pod.cannot_reach, &names);
        let reached_by = self.reached_by(&pod.reached_by, &names);
        let sysctls = self.sysctls(&pod.sysctls);
        let link_local = self.link_local(pod.link_local.as_ref());
        if self.claims == 0 {
            self.mistakes.errors.extend(self.absences.drain(..).map(|source| {
                let field = format!("expect.{}", name.value);
                InputError::new(source, field, "only absences are expected of this pod")
                    .help("add something that the pod must have: an empty observation would satisfy an absence")
            }));
        }
        if self.mistakes.errors.len() > before {
            return Vec::new();
        }
        let expectation = |pod: &String| PodExpectation {
            pod: pod.clone(),
            source: source.clone(),
            interfaces: interfaces.clone(),
            default: default.clone(),
            default6: default6.clone(),
            reaches: endpoint::expand_copies(pod, &reaches),
            cannot_reach: endpoint::expand_copies(pod, &cannot_reach),
            reached_by: reached_by.clone(),
            sysctls: sysctls.clone(),
            link_local: link_local.clone(),
        };
        names.iter().map(expectation).collect()
    }

    /// An interface of which nothing is expected yet.
    fn empty_interface(&self, name: &Located<String>) -> InterfaceExpectation {
        let source = self.mistakes.source(name);
        InterfaceExpectation { name: name.value.clone(), source, ..InterfaceExpectation::default() }
    }

    /// A value that is expected as it is written.
    fn wanted<T: Clone>(&mut self, value: Option<&Located<T>>) -> Option<Wanted<T>> {
        self.claims += usize::from(value.is_some());
        value.map(|value| self.mistakes.wanted(value.value.clone(), value))
    }

    fn choice(&mut self, value: Option<&Located<String>>, choices: &[&str]) -> Option<Wanted<String>> {
        let value = value?;
        if choices.contains(&value.value.as_str()) {
            return self.wanted(Some(value));
        }
        let message = match did_you_mean(&value.value, choices.iter().copied()) {
            Some(near) => format!("`{}` is not known; did you mean `{near}`?", value.value),
            None => format!("`{}` is none of {}", value.value, choices.join(", ")),
        };
        self.mistakes.fail(value, message);
        None
    }

    fn interface(&mut self, name: &Located<String>, wanted: &InterfaceFile) -> InterfaceExpectation {
        let InterfaceFile { absent, kind, parent, state, mtu, mac, addresses } = wanted;
        let mut interface = self.empty_interface(name);
        if absent.as_ref().is_some_and(|absent| absent.value) {
            interface.absent = true;
            self.absences.push(interface.source.clone());
            let texts = [kind, parent, state, mac];
            if texts.iter().any(|text| text.is_some()) || mtu.is_some() || addresses.is_some() {
                let message = "`absent` and other expectations; expected one of the two";
                let error = self.mistakes.error_at_key(name, message);
                self.mistakes.errors.push(error);
            }
            return interface;
        }
        // An interface that must exist counts as a claim.
        self.claims += 1;
        interface.kind = self.choice(kind.as_ref(), &LINK_KINDS);
        interface.state = self.choice(state.as_ref(), &["up", "down"]);
        if let Some(parent) = parent {
            self.mistakes.read(parent, names::interface);
        }
        interface.parent = self.wanted(parent.as_ref());
        interface.mtu = self.wanted(mtu.as_ref());
        if let Some(mac) = mac {
            interface.mac = self.mistakes.read(mac, names::mac).map(|value| self.mistakes.wanted(value, mac));
            self.claims += 1;
        }
        match addresses.as_ref().map(|at| (at, &at.value)) {
            None => {}
            Some((at, ListOr::List(items))) => interface.addresses = Some(self.addresses(at, items, true)),
            Some((at, ListOr::Map(lists))) => {
                if let Some(items) = &lists.at_least {
                    self.refuse_empty(at, items.is_empty());
                    interface.addresses = Some(self.addresses(at, items, false));
                }
                interface.absent_addresses = self.absent(&lists.absent, names::address);
            }
        }
        interface
    }

    fn refuse_empty<T>(&mut self, at: &Located<T>, is_empty: bool) {
        if is_empty {
            self.mistakes.fail(at, "`atLeast` is empty; expected at least one item");
        }
    }

    fn addresses<T>(&mut self, at: &Located<T>, items: &[Located<String>], exact: bool) -> WantedList<IpNet> {
        let mut list = WantedList { exact, items: Vec::new(), source: self.mistakes.source(at) };
        for item in items {
            if let Some(value) = self.mistakes.read(item, names::pod_address) {
                self.push(&mut list, item, value);
            }
        }
        list
    }

    fn push<T: PartialEq>(&mut self, list: &mut WantedList<T>, item: &Located<impl Sized>, value: T) {
        if let Some(first) = list.items.iter().find(|other| other.value == value) {
            self.mistakes.fail(item, format!("is expected twice; first in line {}", first.source.line));
            return;
        }
        self.claims += 1;
        list.items.push(self.mistakes.wanted(value, item));
    }

    fn absent(&mut self, items: &[Located<String>], read: fn(&str) -> Result<IpNet, String>) -> Vec<Wanted<IpNet>> {
        let read = |item| self.mistakes.read(item, read).map(|value| self.mistakes.wanted(value, item));
        let absent: Vec<Wanted<IpNet>> = items.iter().filter_map(read).collect();
        self.absences.extend(absent.iter().map(|absent| absent.source.clone()));
        absent
    }
}
