//! Expectations: the `expect` part of a scenario file, made into typed facts that know their place.

mod egress;
mod endpoint;
mod ingress;
mod kernel;
mod routes;

use super::error::{InputError, did_you_mean};
use super::file::{InterfaceFile, PodFile};
use super::names;
use super::objects::PodGroup;
use super::strict::{self, ListOr, Located};
use crate::plan::{InterfaceExpectation, Network, Pod, PodExpectation, Topology, Wanted, WantedList};
use crate::source::Source;
use ipnet::IpNet;

/// Link kinds that rtnetlink knows and plugins make; `physical` is a link without a kind.
const KINDS: [&str; 14] = [
    "macvlan", "ipvlan", "veth", "bridge", "vlan", "vrf", "dummy", "bond", "vxlan", "tun", "ifb", "macvtap", "netkit",
    "physical",
];

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
pub(super) struct Reader<'a> {
    file: &'a str,
    scene: Scene<'a>,
    errors: Vec<InputError>,
    claims: usize,
    absences: Vec<Source>,
}

impl<'a> Reader<'a> {
    /// A reader for one pod's part of a file.
    pub fn new(file: &'a str, scene: Scene<'a>) -> Self {
        Self { file, scene, errors: Vec::new(), claims: 0, absences: Vec::new() }
    }

    /// Reads it all, and gives one expectation per pod, or every mistake found.
    pub fn pod(
        mut self,
        name: &Located<String>,
        pod: &Located<PodFile>,
    ) -> Result<Vec<PodExpectation>, Vec<InputError>> {
        let field = format!("expect.{}", name.value);
        let source = strict::source(self.file, name);
        let names = self.scene.named(&name.value);
        if names.is_empty() {
            let message = format!("there is no pod `{}` in this scenario", name.value);
            self.unknown(name, &field, message, self.scene.pod_names());
        }
        let mut interfaces = Vec::new();
        for (ifname, wanted) in &pod.value.interfaces.0 {
            let field = format!("{field}.interfaces.{}", ifname.value);
            self.check(ifname, &field, names::interface(&ifname.value));
            let wanted = self.interface(ifname, wanted, &field);
            interfaces.push(wanted);
        }
        for (ifname, lists) in &pod.value.routes.0 {
            let field = format!("{field}.routes.{}", ifname.value);
            self.check(ifname, &field, names::interface(&ifname.value));
            let (routes, absent) = self.routes(lists, &field);
            let index = interfaces
                .iter()
                .position(|known: &InterfaceExpectation| known.name == ifname.value)
                .unwrap_or_else(|| {
                    interfaces.push(empty(&ifname.value, strict::source(self.file, ifname)));
                    interfaces.len() - 1
                });
            let interface = &mut interfaces[index];
            if interface.absent {
                self.errors.push(InputError::new(
                    strict::source(self.file, ifname),
                    &field,
                    "routes of an interface that must be absent",
                ));
            }
            interface.routes = routes;
            interface.absent_routes = absent;
        }
        let default =
            pod.value.default.as_ref().and_then(|wanted| self.default(wanted, &format!("{field}.default"), false));
        let default6 =
            pod.value.default6.as_ref().and_then(|wanted| self.default(wanted, &format!("{field}.default6"), true));
        let reaches = self.reaches(&pod.value.reaches, &names, &format!("{field}.reaches"));
        let cannot_reach = self.cannot_reach(&pod.value.cannot_reach, &names, &format!("{field}.cannotReach"));
        let reached_by = self.reached_by(&pod.value.reached_by, &names, &format!("{field}.reachedBy"));
        let sysctls = self.sysctls(&pod.value.sysctls, &format!("{field}.sysctls"));
        let link_local = self.link_local(pod.value.link_local.as_ref(), &format!("{field}.linkLocal"));
        if self.claims == 0 {
            for source in std::mem::take(&mut self.absences) {
                self.errors.push(
                    InputError::new(source, &field, "an absence with nothing that must be there beside it")
                        .help("an empty observation would satisfy it: add something that this pod must have"),
                );
            }
        }
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        Ok(names
            .iter()
            .map(|pod| PodExpectation {
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
            })
            .collect())
    }

    /// A name that is not known, with the one most like it.
    fn unknown<'k>(
        &mut self,
        at: &Located<String>,
        field: &str,
        message: String,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let error = InputError::new(strict::source(self.file, at), field, message);
        self.errors.push(match did_you_mean(&at.value, known) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        });
    }

    /// One of some known words.
    fn one_of<T: Copy>(&mut self, word: &Located<String>, field: &str, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == word.value).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let message = format!("`{}` is none of {}", word.value, names.join(", "));
            self.unknown(word, field, message, names);
        }
        found
    }

    /// Notes a mistake at a place.
    fn note<T>(&mut self, at: &Located<T>, field: &str, message: impl Into<String>) {
        self.errors.push(InputError::new(strict::source(self.file, at), field, message));
    }

    /// Notes an error at a value's place.
    fn check<T, V>(&mut self, at: &Located<V>, field: &str, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(message) => {
                self.errors.push(InputError::new(strict::source(self.file, at), field, message));
                None
            }
        }
    }

    /// A value that is expected as it is written.
    fn wanted<T: Clone>(&mut self, value: Option<&Located<T>>) -> Option<Wanted<T>> {
        value.map(|value| {
            self.claims += 1;
            Wanted { value: value.value.clone(), source: strict::source(self.file, value) }
        })
    }

    fn choice(&mut self, value: Option<&Located<String>>, field: &str, choices: &[&str]) -> Option<Wanted<String>> {
        let value = value?;
        let fits = if choices.contains(&value.value.as_str()) {
            Ok(())
        } else {
            let near = did_you_mean(&value.value, choices.iter().copied());
            Err(near.map_or_else(
                || format!("`{}` is none of {}", value.value, choices.join(", ")),
                |near| format!("`{}` is not known; did you mean `{near}`?", value.value),
            ))
        };
        self.check(value, field, fits)?;
        self.wanted(Some(value))
    }

    fn interface(
        &mut self,
        name: &Located<String>,
        wanted: &Located<InterfaceFile>,
        field: &str,
    ) -> InterfaceExpectation {
        let source = strict::source(self.file, name);
        let InterfaceFile { absent, kind, parent, state, mtu, mac, addresses } = &wanted.value;
        let mut interface = empty(&name.value, source.clone());
        let says_more = kind.is_some()
            || parent.is_some()
            || state.is_some()
            || mtu.is_some()
            || mac.is_some()
            || addresses.is_some();
        if absent.as_ref().is_some_and(|absent| absent.value) {
            interface.absent = true;
            self.absences.push(source.clone());
            if says_more {
                self.errors.push(InputError::new(
                    source,
                    field,
                    "is absent and has other expectations; expected one of both",
                ));
            }
            return interface;
        }
        // That it is there is a claim by itself.
        self.claims += 1;
        interface.kind = self.choice(kind.as_ref(), &format!("{field}.kind"), &KINDS);
        interface.state = self.choice(state.as_ref(), &format!("{field}.state"), &["up", "down"]);
        if let Some(parent) = parent {
            self.check(parent, &format!("{field}.parent"), names::interface(&parent.value));
        }
        interface.parent = self.wanted(parent.as_ref());
        interface.mtu = self.wanted(mtu.as_ref());
        if let Some(mac) = mac {
            let value = self.check(mac, &format!("{field}.mac"), names::mac(&mac.value));
            interface.mac = value.map(|value| Wanted { value, source: strict::source(self.file, mac) });
            self.claims += 1;
        }
        let field = format!("{field}.addresses");
        match addresses.as_ref().map(|at| (at, &at.value)) {
            None => {}
            Some((at, ListOr::List(items))) => {
                interface.addresses = Some(self.addresses(at, items, true, &field));
            }
            Some((at, ListOr::Map(lists))) => {
                if let Some(items) = &lists.at_least {
                    self.not_empty(at, items.is_empty(), &field);
                    interface.addresses = Some(self.addresses(at, items, false, &format!("{field}.atLeast")));
                }
                interface.absent_addresses = self.absent(&lists.absent, &format!("{field}.absent"), names::address);
            }
        }
        interface
    }

    fn not_empty<T>(&mut self, at: &Located<T>, is_empty: bool, field: &str) {
        if is_empty {
            self.errors.push(InputError::new(
                strict::source(self.file, at),
                field,
                "`atLeast` nothing is always there; leave it out",
            ));
        }
    }

    fn addresses<T>(
        &mut self,
        at: &Located<T>,
        items: &[Located<String>],
        exact: bool,
        field: &str,
    ) -> WantedList<IpNet> {
        let source = strict::source(self.file, at);
        let mut list = WantedList { exact, items: Vec::new(), source };
        for (index, item) in items.iter().enumerate() {
            let field = format!("{field}[{index}]");
            if let Some(value) = self.check(item, &field, names::pod_address(&item.value)) {
                self.push(&mut list, item, value, &field);
            }
        }
        list
    }

    fn push<T: PartialEq>(&mut self, list: &mut WantedList<T>, item: &Located<impl Sized>, value: T, field: &str) {
        let source = strict::source(self.file, item);
        if let Some(first) = list.items.iter().find(|other| other.value == value) {
            let message = format!("is expected twice; first in line {}", first.source.line);
            self.errors.push(InputError::new(source, field, message));
            return;
        }
        self.claims += 1;
        list.items.push(Wanted { value, source });
    }

    fn absent(
        &mut self,
        items: &[Located<String>],
        field: &str,
        parse: fn(&str) -> Result<IpNet, String>,
    ) -> Vec<Wanted<IpNet>> {
        let mut absent = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(value) = self.check(item, &format!("{field}[{index}]"), parse(&item.value)) {
                let source = strict::source(self.file, item);
                self.absences.push(source.clone());
                absent.push(Wanted { value, source });
            }
        }
        absent
    }
}

fn empty(name: &str, source: Source) -> InterfaceExpectation {
    InterfaceExpectation {
        name: name.to_owned(),
        source,
        absent: false,
        kind: None,
        parent: None,
        state: None,
        mtu: None,
        mac: None,
        addresses: None,
        routes: None,
        absent_routes: Vec::new(),
        absent_addresses: Vec::new(),
    }
}
