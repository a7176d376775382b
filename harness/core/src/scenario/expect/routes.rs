//! The routes and default routes that a scenario wants of a pod.

use super::Reader;
use crate::plan::{DefaultExpectation, Wanted, WantedGateway, WantedList, WantedRoute};
use crate::scenario::file::{DefaultFile, RouteFile, RouteLists};
use crate::scenario::names;
use crate::scenario::strict::{ListOr, Located};
use ipnet::IpNet;

impl Reader<'_, '_> {
    pub(super) fn routes(
        &mut self,
        lists: &Located<ListOr<Located<RouteFile>, RouteLists>>,
    ) -> (Option<WantedList<WantedRoute>>, Vec<Wanted<IpNet>>) {
        let (items, exact, absent): (&[Located<RouteFile>], bool, &[Located<String>]) = match &lists.value {
            ListOr::List(items) => (items, true, &[]),
            ListOr::Map(map) => match &map.at_least {
                Some(items) => {
                    self.refuse_empty(lists, items.is_empty());
                    (items, false, &map.absent)
                }
                None => return (None, self.absent(&map.absent, names::network)),
            },
        };
        let mut list = WantedList { exact, items: Vec::new(), source: self.mistakes.source(lists) };
        for item in items {
            if let Some(value) = self.route(&item.value) {
                self.push(&mut list, item, value);
            }
        }
        (Some(list), self.absent(absent, names::network))
    }

    fn route(&mut self, route: &RouteFile) -> Option<WantedRoute> {
        let to = self.mistakes.read(&route.to, names::network);
        let via = match &route.via {
            None => Some(None),
            Some(via) if via.value == "none" => Some(Some(WantedGateway::None)),
            Some(via) => {
                let read = names::ip(&via.value).map_err(|error| format!("{error}; `none` means on-link"));
                self.mistakes.check(via, read).map(|ip| Some(WantedGateway::Address(ip)))
            }
        };
        let scope = route.scope.as_ref().and_then(|scope| self.mistakes.read(scope, read_scope));
        if let (Some(at), Some(true)) = (&route.scope, to.map(|to| to.addr().is_ipv6())) {
            self.mistakes.fail(at, "IPv6 routes have no scope of their own; leave it out");
        }
        let src = match &route.src {
            None => Some(None),
            Some(src) => self.mistakes.read(src, names::ip).map(Some),
        };
        if let Some(table) = route.table.as_ref().filter(|table| matches!(table.value, 0 | 255)) {
            self.mistakes.fail(table, format!("table {} is none that routes are judged in", table.value));
        }
        let (to, via, src) = (to?, via?, src?);
        let gateway = match via {
            // RFC 5549: an IPv4 route may have an IPv6 gateway.
            Some(WantedGateway::Address(address)) if address.is_ipv4() => Some(address),
            _ => None,
        };
        for (at, address) in [(&route.via, gateway), (&route.src, src)] {
            if let (Some(at), Some(address)) = (at, address)
                && address.is_ipv4() != to.addr().is_ipv4()
            {
                self.mistakes.fail(at, format!("`{address}` is of another family than `{to}`"));
            }
        }
        let number = |number: &Option<Located<u32>>| number.as_ref().map(|number| number.value);
        Some(WantedRoute { to, via, scope, src, table: number(&route.table), metric: number(&route.metric) })
    }

    pub(super) fn default(&mut self, wanted: &Located<DefaultFile>, v6: bool) -> Option<DefaultExpectation> {
        let file = &wanted.value;
        let count = match &file.count {
            Some(count) => self.mistakes.wanted(count.value, count),
            None => self.mistakes.wanted(1, wanted),
        };
        let dev = match &file.dev {
            Some(dev) => {
                self.mistakes.read(dev, names::interface)?;
                self.mistakes.wanted(dev.value.clone(), dev)
            }
            None if count.value == 0 => self.mistakes.wanted(String::new(), wanted),
            None => {
                self.mistakes.fail(wanted, "`dev` is missing; only `count: 0` does without");
                return None;
            }
        };
        if count.value == 0 {
            self.absences.push(self.mistakes.source(wanted));
        } else {
            self.claims += 1;
        }
        let via = match &file.via {
            None => None,
            Some(via) => {
                let fits = |ip: std::net::IpAddr| match ip.is_ipv6() == v6 {
                    true => Ok(ip),
                    false => Err(format!("`{ip}` is of the wrong family")),
                };
                let value = self.mistakes.check(via, names::ip(&via.value).and_then(fits))?;
                Some(self.mistakes.wanted(value, via))
            }
        };
        Some(DefaultExpectation { dev, count, via })
    }
}

fn read_scope(text: &str) -> Result<String, String> {
    match text {
        "global" | "link" | "host" => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is none of global, link, host")),
    }
}
