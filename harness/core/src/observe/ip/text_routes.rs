//! The text of `ip route` and `ip rule` (iproute2 and BusyBox).
//!
//! BusyBox leaves out what it does not know: the hops of a multipath route, a gateway of the other family,
//! the protocol, `linkdown`. Comparisons of its routes leave these out too ([`super::Coverage`]).

use super::fields::{ParseError, address, destination, everything, mark, number, sorted, table};
use crate::observe::{NextHop, Route, Rule};

/// Route types that begin a line (`ip-route(8)`).
const TYPES: [&str; 9] =
    ["unicast", "local", "broadcast", "multicast", "blackhole", "unreachable", "prohibit", "throw", "anycast"];

/// Words with a value after them that are not compared: the value must not be read as a word of its own.
const PASSED_OVER: &str = "pref nhid mtu advmss hoplimit initcwnd initrwnd rtt rttvar rto_min window ssthresh cwnd reordering \
    features quickack congctl fastopen_no_cookie expires error realm tos";

/// Reads `ip route`, `ip -6 route`, either with `show table all`. In the latter of iproute2 both families come
/// together; then each line's family follows from its own addresses, and `v6` decides for a bare `default`.
///
/// # Errors
/// What is not as `ip` writes it.
pub fn routes(text: &str, v6: bool) -> Result<Vec<Route>, ParseError> {
    let mut routes: Vec<Route> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.first() {
            None => {}
            Some(&"nexthop") => {
                let route =
                    routes.last_mut().ok_or_else(|| ParseError::at("a next hop before the first route", line))?;
                let mut parsed = Parsed::default();
                parsed.words(&words[1..])?;
                route.hops.push(parsed.hop());
            }
            Some(_) => routes.push(route(&words, v6, line)?),
        }
    }
    Ok(routes)
}

/// What the words of a line say.
#[derive(Default)]
struct Parsed {
    via: Option<std::net::IpAddr>,
    dev: Option<String>,
    weight: Option<u32>,
    table: Option<u32>,
    protocol: Option<String>,
    scope: Option<String>,
    src: Option<std::net::IpAddr>,
    metric: Option<u32>,
    flags: Vec<String>,
}

impl Parsed {
    fn words(&mut self, words: &[&str]) -> Result<(), ParseError> {
        let mut rest = words.iter().copied();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| ParseError::at("nothing after", word));
            match word {
                "via" => {
                    let first = value()?;
                    self.via = Some(address(if first == "inet" || first == "inet6" { value()? } else { first })?);
                }
                "dev" => self.dev = Some(value()?.to_owned()),
                "weight" => self.weight = Some(number(value()?)?),
                "table" => self.table = Some(table(value()?)?),
                "proto" | "protocol" => self.protocol = Some(value()?.to_owned()),
                "scope" => self.scope = Some(value()?.to_owned()),
                "src" => self.src = Some(address(value()?)?),
                "metric" => self.metric = Some(number(value()?)?),
                "lock" => {}
                "onlink" | "linkdown" | "dead" | "pervasive" | "offload" | "trap" | "notify" | "unresolved" => {
                    self.flags.push(word.to_owned());
                }
                _ if PASSED_OVER.split(' ').any(|known| known == word) => {
                    value()?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn hop(&mut self) -> NextHop {
        NextHop {
            via: self.via.take(),
            dev: self.dev.take(),
            weight: self.weight.unwrap_or(1),
            flags: sorted(std::mem::take(&mut self.flags)),
        }
    }
}

fn route(words: &[&str], v6: bool, line: &str) -> Result<Route, ParseError> {
    let (kind, words) = match words {
        [kind, rest @ ..] if TYPES.contains(kind) => (*kind, rest),
        words => ("unicast", words),
    };
    let [to, rest @ ..] = words else { return Err(ParseError::at("a route without a destination", line)) };
    let mut parsed = Parsed::default();
    parsed.words(rest)?;
    let v6 = match *to {
        // Only IPv6 routes have a router preference.
        "default" => parsed.via.map_or(v6 || rest.contains(&"pref"), |via| via.is_ipv6()),
        to => to.contains(':'),
    };
    let hops = if parsed.via.is_some() || parsed.dev.is_some() { vec![parsed.hop()] } else { Vec::new() };
    let unsaid = match kind {
        "local" if !v6 => "host",
        "broadcast" | "multicast" if !v6 => "link",
        _ => "global",
    };
    Ok(Route {
        to: destination(to, v6)?,
        kind: kind.to_owned(),
        hops,
        table: parsed.table.unwrap_or(254),
        protocol: parsed.protocol.unwrap_or_else(|| "boot".to_owned()),
        scope: parsed.scope.unwrap_or_else(|| unsaid.to_owned()),
        src: parsed.src,
        metric: parsed.metric.unwrap_or(0),
    })
}

/// Reads `ip rule` or `ip -6 rule`: `600: from all fwmark 0x10/0x10 lookup 100`.
///
/// # Errors
/// What is not as `ip` writes it.
pub fn rules(text: &str, v6: bool) -> Result<Vec<Rule>, ParseError> {
    let mut rules = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (priority, rest) = line.split_once(':').ok_or_else(|| ParseError::at("not a rule", line))?;
        let mut rule = Rule { v6, priority: number(priority.trim())?, ..Rule::default() };
        let mut words = rest.split_whitespace();
        let mut ends_otherwise = false;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| ParseError::at("nothing after", word));
            let selector = |text: &str| destination(text, v6).map(|net| Some(net).filter(|net| *net != everything(v6)));
            match word {
                "from" => rule.from = selector(value()?)?,
                "to" => rule.to = selector(value()?)?,
                "fwmark" => rule.fwmark = Some(mark(value()?, None)?),
                "iif" => rule.iif = Some(value()?.to_owned()),
                "oif" => rule.oif = Some(value()?.to_owned()),
                "lookup" | "table" => rule.table = table(value()?)?,
                "blackhole" | "unreachable" | "prohibit" | "goto" | "nop" => ends_otherwise = true,
                _ => {}
            }
        }
        if ends_otherwise {
            rule.table = 0;
        }
        rules.push(rule);
    }
    Ok(rules)
}
