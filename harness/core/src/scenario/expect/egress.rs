//! Egress probes: `reaches` and `cannotReach`.

use super::Reader;
use super::endpoint::ProbeTarget;
use crate::plan::{Because, Lookup, ProbeEndpoint, Protocol, Unreachable, Wanted, WantedReach};
use crate::scenario::file::{ReachFile, UnreachableFile};
use crate::scenario::names;
use crate::scenario::strict::Located;
use crate::wire::dns;
use std::net::IpAddr;

/// Most tags of one frame: an outer and an inner one.
const MAX_TAGS: usize = 2;

const PROTOCOLS: [(&str, Protocol); 4] =
    [("icmp", Protocol::Icmp), ("udp", Protocol::Udp), ("tcp", Protocol::Tcp), ("arp", Protocol::Arp)];

impl Reader<'_, '_> {
    /// All `reaches`, each with the copies that its destination stands for (none where it is one endpoint).
    pub(super) fn reaches(
        &mut self,
        list: &[Located<ReachFile>],
        senders: &[String],
    ) -> Vec<Wanted<(Vec<String>, WantedReach)>> {
        self.claims += list.len();
        let read = |item| self.reach(item, senders).map(|value| self.mistakes.wanted(value, item));
        list.iter().filter_map(read).collect()
    }

    fn reach(&mut self, item: &Located<ReachFile>, senders: &[String]) -> Option<(Vec<String>, WantedReach)> {
        let file = &item.value;
        let to = self.destination(item, &file.destination(), senders);
        let by = self.mistakes.one_of(&file.by, &PROTOCOLS);
        let port = self.port(item, by, file.port.as_ref());
        let lookup = self.lookup(item, by, to.as_ref());
        let family = to.as_ref().map(ProbeTarget::is_v4);
        let from = self.host_ip(file.from.as_ref(), family);
        let through = file.through.as_ref().and_then(|through| {
            self.interface_of(through, senders).then(|| self.mistakes.wanted(through.value.clone(), through))
        });
        if by == Some(Protocol::Arp) && file.through.is_none() {
            self.mistakes.fail(item, "`arp` is asked on one interface: `through` is missing");
        }
        let gateway = self.host_ip(file.gateway.as_ref(), family);
        if let Some(at) = &file.gateway {
            if by == Some(Protocol::Arp) {
                self.mistakes.fail(at, "`arp` goes to no gateway");
            } else if file.through.is_none() {
                self.mistakes.fail(at, "is looked for on one interface: `through` is missing");
            }
        }
        let seen_from = self.host_ip(file.seen_from.as_ref(), family);
        if let (Some(at), Some(target)) = (&file.seen_from, &to)
            && target.has_no_owner()
        {
            self.mistakes.fail(at, "needs `at`: the endpoint that has the address and captures there");
        }
        let tags = file.tags.as_ref().and_then(|tags| self.tags(tags));
        let priority = file.priority.as_ref().and_then(|bits| {
            if file.tags.as_ref().is_none_or(|tags| tags.value.is_empty()) {
                self.mistakes.fail(bits, "the bits stand in a tag: `tags` with one is missing");
            }
            let value = self.mistakes.read_number(bits, names::priority)?;
            Some(self.mistakes.wanted(value, bits))
        });
        let ProbeTarget { destination: to, copies } = to?;
        let from = from.map(|from| from.value);
        let by = by?;
        Some((copies, WantedReach { to, by, port, lookup, from, through, gateway, seen_from, tags, priority }))
    }

    /// All `cannotReach`, as [`Reader::reaches`] gives the others.
    pub(super) fn cannot_reach(
        &mut self,
        list: &[Located<UnreachableFile>],
        senders: &[String],
    ) -> Vec<Wanted<(Vec<String>, Unreachable)>> {
        // Its control is something that must be there beside it; without one it is refused for that.
        self.claims += list.iter().filter(|item| item.value.control.is_some()).count();
        let read = |item| self.unreachable(item, senders).map(|value| self.mistakes.wanted(value, item));
        list.iter().filter_map(read).collect()
    }

    fn unreachable(
        &mut self,
        item: &Located<UnreachableFile>,
        senders: &[String],
    ) -> Option<(Vec<String>, Unreachable)> {
        let file = &item.value;
        let to = self.destination(item, &file.destination(), senders);
        let by = self.mistakes.one_of(&file.by, &PROTOCOLS);
        let port = self.port(item, by, file.port.as_ref());
        let from = self.host_ip(file.from.as_ref(), to.as_ref().map(ProbeTarget::is_v4));
        let because = match &file.because {
            None => {
                self.mistakes.fail(item, "`because` is missing: no-route, no-answer, refused or filtered");
                None
            }
            Some(because) => self.mistakes.one_of(because, &Because::NAMES),
        };
        let control = match &file.control {
            None => {
                let text = "`control` is missing: what this pod does reach by the same protocol meanwhile";
                self.mistakes.fail(item, text);
                None
            }
            Some(control) => {
                let target = self.destination(control, &control.value.destination(), senders);
                if target.as_ref().is_some_and(|target| !target.copies.is_empty()) {
                    let text = "is one destination: name one copy, such as the first by `-1`";
                    self.mistakes.fail(control, text);
                }
                target.map(|target| target.destination)
            }
        };
        let reached_by = match &file.reached_by {
            None => {
                if because.is_some_and(|because| because != Because::NoRoute) {
                    let text = "`reachedBy` is missing: who reaches the same destination meanwhile";
                    self.mistakes.fail(item, text);
                }
                None
            }
            Some(name) => self.third_endpoint(name, senders),
        };
        if let (Some(name), Some(third), Some(target)) = (&file.reached_by, &reached_by, &to)
            && target.destination.endpoint().as_ref() == Some(third)
        {
            self.mistakes.fail(name, "is the destination itself; expected a third endpoint");
        }
        let ProbeTarget { destination: to, copies } = to?;
        let from = from.map(|from| from.value);
        let (by, because, sender_reaches) = (by?, because?, control?);
        Some((copies, Unreachable { to, by, port, from, because, sender_reaches, reached_by }))
    }

    fn port<T>(&mut self, item: &Located<T>, by: Option<Protocol>, port: Option<&Located<i64>>) -> Option<u16> {
        let has_ports = matches!(by?, Protocol::Udp | Protocol::Tcp);
        match port {
            Some(port) if has_ports => return self.mistakes.read_number(port, names::port),
            Some(port) => self.mistakes.fail(port, "only UDP and TCP have ports"),
            None if has_ports => self.mistakes.fail(item, "`port` is missing: UDP and TCP have one"),
            None => {}
        }
        None
    }

    /// An address of one machine, of the destination's family.
    fn host_ip(&mut self, text: Option<&Located<String>>, v4: Option<bool>) -> Option<Wanted<IpAddr>> {
        let text = text?;
        let read = names::host_ip(&text.value).and_then(|ip| match v4 {
            Some(v4) if ip.is_ipv4() != v4 => Err(format!("`{ip}` is of another family than the destination")),
            _ => Ok(ip),
        });
        let value = self.mistakes.check(text, read)?;
        Some(self.mistakes.wanted(value, text))
    }

    fn tags(&mut self, tags: &Located<Vec<Located<i64>>>) -> Option<Wanted<Vec<u16>>> {
        if tags.value.len() > MAX_TAGS {
            self.mistakes.fail(tags, format!("{} tags; at most {MAX_TAGS} are looked for", tags.value.len()));
        }
        if !self.scene.topology.bridges.iter().any(|bridge| bridge.uplink.is_some()) {
            self.mistakes.fail(tags, "tags are looked for on a node's uplink, and no bridge here has one");
        }
        let read = |tag| self.mistakes.read_number(tag, names::vlan);
        let value = tags.value.iter().map(read).collect::<Option<Vec<_>>>()?;
        Some(self.mistakes.wanted(value, tags))
    }

    /// `lookup` and `resolvesTo`: a name server is reached if it gives the right answer.
    fn lookup(&mut self, item: &Located<ReachFile>, by: Option<Protocol>, to: Option<&ProbeTarget>) -> Option<Lookup> {
        let file = &item.value;
        let Some(lookup) = &file.lookup else {
            if let Some(address) = &file.resolves_to {
                self.mistakes.fail(address, "goes with `lookup`: the name that is asked for");
            }
            return None;
        };
        if by.is_some_and(|by| by != Protocol::Udp) {
            self.mistakes.fail(lookup, "names are asked for by `udp`");
        }
        if to.is_some_and(|to| !to.has_no_owner()) {
            let text = "the listeners of hosts and pods know no names; leave out who has the address";
            self.mistakes.fail(lookup, text);
        }
        let name = self.mistakes.check(lookup, dns::name(&lookup.value).map_err(|error| error.to_string()));
        let Some(address) = &file.resolves_to else {
            self.mistakes.fail(item, "`resolvesTo` is missing: any answer at all would do");
            return None;
        };
        // Of either family, whatever that of the name server is.
        let resolves_to = self.host_ip(Some(address), None);
        Some(Lookup { name: name?, resolves_to: resolves_to? })
    }

    fn third_endpoint(&mut self, name: &Located<String>, senders: &[String]) -> Option<ProbeEndpoint> {
        if senders.contains(&name.value) {
            self.mistakes.fail(name, "is the sender itself; expected a third endpoint");
            return None;
        }
        self.endpoint_of(name)
    }
}
