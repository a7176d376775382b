//! The routes and default routes that a scenario wants of a pod.

use super::Reader;
use crate::plan::{DefaultExpectation, Wanted, WantedGateway, WantedList, WantedRoute};
use crate::scenario::error::InputError;
use crate::scenario::file::{DefaultFile, RouteFile, RouteLists};
use crate::scenario::names;
use crate::scenario::strict::{self, ListOr, Located};
use ipnet::IpNet;

impl Reader<'_> {
    pub(super) fn routes(
        &mut self,
        lists: &Located<ListOr<Located<RouteFile>, RouteLists>>,
        field: &str,
    ) -> (Option<WantedList<WantedRoute>>, Vec<Wanted<IpNet>>) {
        let source = strict::source(self.file, lists);
        let (items, exact, absent): (&[Located<RouteFile>], bool, &[Located<String>]) = match &lists.value {
            ListOr::List(items) => (items, true, &[]),
            ListOr::Map(map) => match &map.at_least {
                Some(items) => {
                    self.not_empty(lists, items.is_empty(), field);
                    (items, false, &map.absent)
                }
                None => return (None, self.absent(&map.absent, &format!("{field}.absent"), names::network)),
            },
        };
        let mut list = WantedList { exact, items: Vec::new(), source };
        for (index, item) in items.iter().enumerate() {
            let field = if exact { format!("{field}[{index}]") } else { format!("{field}.atLeast[{index}]") };
            if let Some(value) = self.route(&item.value, &field) {
                self.push(&mut list, item, value, &field);
            }
        }
        (Some(list), self.absent(absent, &format!("{field}.absent"), names::network))
    }

    fn route(&mut self, route: &RouteFile, field: &str) -> Option<WantedRoute> {
        let to = self.check(&route.to, &format!("{field}.to"), names::network(&route.to.value));
        let via = match &route.via {
            None => Some(None),
            Some(via) if via.value == "none" => Some(Some(WantedGateway::None)),
            Some(via) => {
                let parsed = names::ip(&via.value).map_err(|error| format!("{error}; `none` means on-link"));
                self.check(via, &format!("{field}.via"), parsed).map(|ip| Some(WantedGateway::Address(ip)))
            }
        };
        let scope = self.scope(route.scope.as_ref(), &format!("{field}.scope"));
        if let (Some(at), Some(true)) = (&route.scope, to.map(|to| to.addr().is_ipv6())) {
            let message = "IPv6 routes have no scope of their own; leave it out";
            self.errors.push(InputError::new(strict::source(self.file, at), format!("{field}.scope"), message));
        }
        let src = match &route.src {
            None => Some(None),
            Some(src) => self.check(src, &format!("{field}.src"), names::ip(&src.value)).map(Some),
        };
        if let Some(table) = &route.table
            && matches!(table.value, 0 | 255)
        {
            let message = format!("table {} is none that routes are judged in", table.value);
            self.errors.push(InputError::new(strict::source(self.file, table), format!("{field}.table"), message));
        }
        let (to, via, src) = (to?, via?, src?);
        for (what, at, address) in [
            (
                "via",
                route.via.as_ref(),
                match via {
                    Some(WantedGateway::Address(address)) => Some(address),
                    _ => None,
                },
            ),
            ("src", route.src.as_ref(), src),
        ] {
            if let (Some(at), Some(address)) = (at, address)
                && address.is_ipv4() != to.addr().is_ipv4()
                // RFC 5549: an IPv4 route may have an IPv6 gateway.
                && !(what == "via" && address.is_ipv6())
            {
                let message = format!("`{address}` is of another family than `{to}`");
                self.errors.push(InputError::new(strict::source(self.file, at), format!("{field}.{what}"), message));
            }
        }
        Some(WantedRoute {
            to,
            via,
            scope,
            src,
            table: route.table.as_ref().map(|table| table.value),
            metric: route.metric.as_ref().map(|metric| metric.value),
        })
    }

    fn scope(&mut self, scope: Option<&Located<String>>, field: &str) -> Option<String> {
        let scope = scope?;
        let fits = if ["global", "link", "host"].contains(&scope.value.as_str()) {
            Ok(scope.value.clone())
        } else {
            Err(format!("`{}` is none of global, link, host", scope.value))
        };
        self.check(scope, field, fits)
    }

    pub(super) fn default(
        &mut self,
        wanted: &Located<DefaultFile>,
        field: &str,
        v6: bool,
    ) -> Option<DefaultExpectation> {
        let source = strict::source(self.file, wanted);
        let count = match &wanted.value.count {
            Some(count) => Wanted { value: count.value, source: strict::source(self.file, count) },
            None => Wanted { value: 1, source: source.clone() },
        };
        let dev = match &wanted.value.dev {
            Some(dev) => {
                self.check(dev, &format!("{field}.dev"), names::interface(&dev.value))?;
                Wanted { value: dev.value.clone(), source: strict::source(self.file, dev) }
            }
            None if count.value == 0 => Wanted { value: String::new(), source: source.clone() },
            None => {
                self.errors.push(InputError::new(source, field, "`dev` is missing; only `count: 0` does without"));
                return None;
            }
        };
        if count.value == 0 {
            self.absences.push(source);
        } else {
            self.claims += 1;
        }
        let via = match &wanted.value.via {
            None => None,
            Some(via) => {
                let parsed = names::ip(&via.value).and_then(|ip| {
                    if ip.is_ipv6() == v6 { Ok(ip) } else { Err(format!("`{ip}` is of the wrong family")) }
                });
                let value = self.check(via, &format!("{field}.via"), parsed)?;
                Some(Wanted { value, source: strict::source(self.file, via) })
            }
        };
        Some(DefaultExpectation { dev, count, via })
    }
}
