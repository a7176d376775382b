//! Egress probes: `reaches` and `cannotReach`.

use super::Reader;
use super::endpoint::ProbeTarget;
use crate::plan::{Because, Lookup, ProbeEndpoint, Protocol, Unreachable, Wanted, WantedReach};
use crate::scenario::file::{ReachFile, UnreachableFile};
use crate::scenario::names;
use crate::scenario::strict::{self, Located};
use crate::wire::dns;
use std::net::IpAddr;

/// Most tags of one frame: an outer and an inner one.
const MAX_TAGS: usize = 2;

impl Reader<'_> {
    /// All `reaches`, each with the copies that its destination stands for (none where it is one endpoint).
    pub(super) fn reaches(
        &mut self,
        list: &[Located<ReachFile>],
        senders: &[String],
        field: &str,
    ) -> Vec<Wanted<(Vec<String>, WantedReach)>> {
        let mut found = Vec::new();
        for (index, item) in list.iter().enumerate() {
            self.claims += 1;
            if let Some(value) = self.reach(item, senders, &format!("{field}[{index}]")) {
                found.push(Wanted { value, source: strict::source(self.file, item) });
            }
        }
        found
    }

    fn reach(
        &mut self,
        item: &Located<ReachFile>,
        senders: &[String],
        field: &str,
    ) -> Option<(Vec<String>, WantedReach)> {
        let file = &item.value;
        let to = self.destination(item, &file.destination(), senders, field);
        let by = self.protocol(&file.by, &format!("{field}.by"));
        let port = self.port(item, by, file.port.as_ref(), field);
        let lookup = self.lookup(item, by, to.as_ref(), field);
        let family = to.as_ref().map(ProbeTarget::is_v4);
        let from = self.host_ip(file.from.as_ref(), family, &format!("{field}.from"));
        let through = file.through.as_ref().and_then(|through| {
            self.interface_of(through, senders, &format!("{field}.through"))
                .then(|| Wanted { value: through.value.clone(), source: strict::source(self.file, through) })
        });
        if by == Some(Protocol::Arp) && file.through.is_none() {
            self.note(item, field, "`arp` is asked on one interface: `through` is missing");
        }
        let gateway = self.host_ip(file.gateway.as_ref(), family, &format!("{field}.gateway"));
        if let Some(at) = &file.gateway {
            let field = format!("{field}.gateway");
            if by == Some(Protocol::Arp) {
                self.note(at, &field, "`arp` goes to no gateway");
            } else if file.through.is_none() {
                self.note(at, &field, "is looked for on one interface: `through` is missing");
            }
        }
        let seen_from = self.host_ip(file.seen_from.as_ref(), family, &format!("{field}.seenFrom"));
        if let (Some(at), Some(target)) = (&file.seen_from, &to)
            && target.has_no_owner()
        {
            self.note(
                at,
                &format!("{field}.seenFrom"),
                "needs `at`: the endpoint that has the address and captures there",
            );
        }
        let tags = file.tags.as_ref().and_then(|tags| self.tags(tags, &format!("{field}.tags")));
        let priority = file.priority.as_ref().and_then(|bits| {
            let field = format!("{field}.priority");
            if file.tags.as_ref().is_none_or(|tags| tags.value.is_empty()) {
                self.note(bits, &field, "the bits stand in a tag: `tags` with one is missing");
            }
            let value = self.check(bits, &field, names::priority(bits.value))?;
            Some(Wanted { value, source: strict::source(self.file, bits) })
        });
        let ProbeTarget { destination, copies } = to?;
        let wanted = WantedReach {
            to: destination,
            by: by?,
            port,
            lookup,
            from: from.map(|from| from.value),
            through,
            gateway,
            seen_from,
            tags,
            priority,
        };
        Some((copies, wanted))
    }

    /// All `cannotReach`, as [`Reader::reaches`] gives the others.
    pub(super) fn cannot_reach(
        &mut self,
        list: &[Located<UnreachableFile>],
        senders: &[String],
        field: &str,
    ) -> Vec<Wanted<(Vec<String>, Unreachable)>> {
        let mut found = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let field = format!("{field}[{index}]");
            let source = strict::source(self.file, item);
            // Its control is something that must be there beside it; without one it is refused for that.
            if item.value.control.is_some() {
                self.claims += 1;
            }
            if let Some(value) = self.unreachable(item, senders, &field) {
                found.push(Wanted { value, source });
            }
        }
        found
    }

    fn unreachable(
        &mut self,
        item: &Located<UnreachableFile>,
        senders: &[String],
        field: &str,
    ) -> Option<(Vec<String>, Unreachable)> {
        let file = &item.value;
        let to = self.destination(item, &file.destination(), senders, field);
        let by = self.protocol(&file.by, &format!("{field}.by"));
        let port = self.port(item, by, file.port.as_ref(), field);
        let from = self.host_ip(file.from.as_ref(), to.as_ref().map(ProbeTarget::is_v4), &format!("{field}.from"));
        let because = match &file.because {
            None => {
                self.note(item, field, "`because` is missing: no-route, no-answer, refused or filtered");
                None
            }
            Some(because) => self.because(because, &format!("{field}.because")),
        };
        let control = match &file.control {
            None => {
                self.note(item, field, "`control` is missing: what this pod does reach by the same protocol meanwhile");
                None
            }
            Some(control) => {
                let field = format!("{field}.control");
                let target = self.destination(control, &control.value.destination(), senders, &field);
                if target.as_ref().is_some_and(|target| !target.copies.is_empty()) {
                    self.note(control, &field, "is one destination: name one copy, such as the first by `-1`");
                }
                target.map(|target| target.destination)
            }
        };
        let reached_by = match &file.reached_by {
            None => {
                if because.is_some_and(|because| because != Because::NoRoute) {
                    let text = "`reachedBy` is missing: who reaches the same destination meanwhile";
                    self.note(item, field, text);
                }
                None
            }
            Some(name) => self.third_endpoint(name, senders, &format!("{field}.reachedBy")),
        };
        if let (Some(name), Some(third), Some(target)) = (&file.reached_by, &reached_by, &to)
            && target.destination.endpoint().as_ref() == Some(third)
        {
            self.note(name, &format!("{field}.reachedBy"), "is the destination itself; expected a third endpoint");
        }
        let ProbeTarget { destination, copies } = to?;
        let wanted = Unreachable {
            to: destination,
            by: by?,
            port,
            from: from.map(|from| from.value),
            because: because?,
            sender_reaches: control?,
            reached_by,
        };
        Some((copies, wanted))
    }

    fn protocol(&mut self, by: &Located<String>, field: &str) -> Option<Protocol> {
        const KNOWN: [(&str, Protocol); 4] =
            [("icmp", Protocol::Icmp), ("udp", Protocol::Udp), ("tcp", Protocol::Tcp), ("arp", Protocol::Arp)];
        self.one_of(by, field, &KNOWN)
    }

    fn because(&mut self, because: &Located<String>, field: &str) -> Option<Because> {
        const KNOWN: [(&str, Because); 4] = [
            ("no-route", Because::NoRoute),
            ("no-answer", Because::NoAnswer),
            ("refused", Because::Refused),
            ("filtered", Because::Filtered),
        ];
        self.one_of(because, field, &KNOWN)
    }

    fn port<T>(
        &mut self,
        item: &Located<T>,
        by: Option<Protocol>,
        port: Option<&Located<i64>>,
        field: &str,
    ) -> Option<u16> {
        let has_ports = matches!(by?, Protocol::Udp | Protocol::Tcp);
        match port {
            None if has_ports => {
                self.note(item, field, "`port` is missing: UDP and TCP have one");
                None
            }
            None => None,
            Some(port) if !has_ports => {
                self.note(port, &format!("{field}.port"), "only UDP and TCP have ports");
                None
            }
            Some(port) => self.check(port, &format!("{field}.port"), names::port(port.value)),
        }
    }

    /// An address of one machine, of the destination's family.
    fn host_ip(&mut self, text: Option<&Located<String>>, v4: Option<bool>, field: &str) -> Option<Wanted<IpAddr>> {
        let text = text?;
        let parsed = names::host_ip(&text.value).and_then(|ip| match v4 {
            Some(v4) if ip.is_ipv4() != v4 => Err(format!("`{ip}` is of another family than the destination")),
            _ => Ok(ip),
        });
        let value = self.check(text, field, parsed)?;
        Some(Wanted { value, source: strict::source(self.file, text) })
    }

    fn tags(&mut self, tags: &Located<Vec<Located<i64>>>, field: &str) -> Option<Wanted<Vec<u16>>> {
        if tags.value.len() > MAX_TAGS {
            self.note(tags, field, format!("{} tags; at most {MAX_TAGS} are looked for", tags.value.len()));
        }
        if !self.scene.topology.bridges.iter().any(|bridge| bridge.uplink.is_some()) {
            self.note(tags, field, "tags are looked for on a node's uplink, and no bridge here has one");
        }
        let mut value = Vec::new();
        for (index, tag) in tags.value.iter().enumerate() {
            value.push(self.check(tag, &format!("{field}[{index}]"), names::vlan(tag.value))?);
        }
        Some(Wanted { value, source: strict::source(self.file, tags) })
    }

    /// `lookup` and `resolvesTo`: a name server is reached if it gives the right answer.
    fn lookup(
        &mut self,
        item: &Located<ReachFile>,
        by: Option<Protocol>,
        to: Option<&ProbeTarget>,
        field: &str,
    ) -> Option<Lookup> {
        let file = &item.value;
        let Some(lookup) = &file.lookup else {
            if let Some(address) = &file.resolves_to {
                self.note(address, &format!("{field}.resolvesTo"), "goes with `lookup`: the name that is asked for");
            }
            return None;
        };
        let place = format!("{field}.lookup");
        if by.is_some_and(|by| by != Protocol::Udp) {
            self.note(lookup, &place, "names are asked for by `udp`");
        }
        if to.is_some_and(|to| !to.has_no_owner()) {
            self.note(lookup, &place, "the listeners of hosts and pods know no names; leave out who has the address");
        }
        let name = self.check(lookup, &place, dns::name(&lookup.value).map_err(|error| error.to_string()));
        let Some(address) = &file.resolves_to else {
            self.note(item, field, "`resolvesTo` is missing: any answer at all would do");
            return None;
        };
        // Of either family, whatever that of the name server is.
        let parsed = self.check(address, &format!("{field}.resolvesTo"), names::host_ip(&address.value));
        let source = strict::source(self.file, address);
        Some(Lookup { name: name?, resolves_to: Wanted { value: parsed?, source } })
    }

    fn third_endpoint(&mut self, name: &Located<String>, senders: &[String], field: &str) -> Option<ProbeEndpoint> {
        if senders.contains(&name.value) {
            self.note(name, field, "is the sender itself; expected a third endpoint");
            return None;
        }
        self.endpoint_of(name, field)
    }
}
