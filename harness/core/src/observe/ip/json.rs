//! `ip -j -d`: links with addresses, routes, rules (iproute2; its keys are stable since 4.19, unknown ones are passed over).

use super::fields::{ParseError, address, destination, everything, mark, sorted, table};
use crate::observe::{Address, Link, NextHop, Route, Rule};
use ipnet::IpNet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Reads a JSON list of objects; elements without content (older releases print `{}`) are left out.
fn list<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, ParseError> {
    let values: Vec<Value> =
        serde_json::from_str(text).map_err(|error| ParseError(format!("not the JSON of `ip`: {error}")))?;
    values
        .into_iter()
        .filter(|value| value.as_object().is_none_or(|object| !object.is_empty()))
        .map(|value| {
            serde_json::from_value(value).map_err(|error| ParseError(format!("not the JSON of `ip`: {error}")))
        })
        .collect()
}

#[derive(Deserialize)]
struct JsonLink {
    ifindex: u32,
    ifname: String,
    link: Option<String>,
    link_index: Option<u32>,
    link_netnsid: Option<i32>,
    master: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    operstate: String,
    #[serde(default)]
    mtu: u32,
    #[serde(default)]
    address: String,
    linkinfo: Option<JsonInfo>,
    #[serde(default)]
    addr_info: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct JsonInfo {
    info_kind: Option<String>,
    info_data: Option<Map<String, Value>>,
}

/// Reads `ip -j -d addr`.
///
/// # Errors
/// What is not as `ip` writes it.
pub fn links(text: &str) -> Result<Vec<Link>, ParseError> {
    let raw: Vec<JsonLink> = list(text)?;
    let by_name = |name: &str| raw.iter().find(|link| link.ifname == name).map(|link| link.ifindex);
    raw.iter()
        .map(|link| {
            let data = |key: &str| {
                link.linkinfo.as_ref().and_then(|info| info.info_data.as_ref()).and_then(|data| data.get(key))
            };
            let addresses =
                link.addr_info.iter().filter_map(|info| one_address(info).transpose()).collect::<Result<_, _>>()?;
            Ok(Link {
                index: link.ifindex,
                name: link.ifname.clone(),
                kind: link.linkinfo.as_ref().and_then(|info| info.info_kind.clone()),
                mode: data("mode").and_then(Value::as_str).map(str::to_owned),
                vlan_id: data("id").and_then(Value::as_u64).and_then(|id| u16::try_from(id).ok()),
                parent: link.link_index.or_else(|| link.link.as_deref().and_then(by_name)),
                parent_netns: link.link_netnsid,
                master: link.master.as_deref().and_then(by_name),
                flags: sorted(link.flags.clone()),
                state: link.operstate.clone(),
                mtu: link.mtu,
                mac: link.address.to_ascii_lowercase(),
                addresses,
            })
        })
        .collect()
}

/// One element of `addr_info`; none for an element without an address (a filter leaves such).
fn one_address(info: &Map<String, Value>) -> Result<Option<Address>, ParseError> {
    let Some(local) = info.get("local").and_then(Value::as_str) else { return Ok(None) };
    let length = info.get("prefixlen").and_then(Value::as_u64).and_then(|length| u8::try_from(length).ok());
    let length = length.ok_or_else(|| ParseError::at("an address without its prefix length", local))?;
    let net = IpNet::new(address(local)?, length).map_err(|_| ParseError::at("a prefix length too long for", local))?;
    // Flags are keys that are true: tentative, dadfailed, deprecated, nodad, secondary, temporary and the like.
    let flags = info.iter().filter(|(_, value)| **value == Value::Bool(true)).map(|(key, _)| key.clone()).collect();
    Ok(Some(Address { address: net, scope: word(info.get("scope"), "global"), flags: sorted(flags) }))
}

/// A word or number as text.
fn word(value: Option<&Value>, unsaid: &str) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => unsaid.to_owned(),
    }
}

#[derive(Deserialize)]
struct JsonRoute {
    #[serde(rename = "type")]
    kind: Option<String>,
    dst: String,
    gateway: Option<String>,
    via: Option<JsonVia>,
    dev: Option<String>,
    table: Option<Value>,
    protocol: Option<Value>,
    scope: Option<Value>,
    prefsrc: Option<String>,
    metric: Option<u32>,
    pref: Option<Value>,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    nexthops: Vec<JsonHop>,
}

impl JsonRoute {
    /// The family of a route. `default` has none of its own: then its gateway decides, or the router preference,
    /// which IPv6 routes alone have; where neither is there, the requested family.
    fn is_v6(&self, requested: bool) -> bool {
        if self.dst != "default" {
            return self.dst.contains(':');
        }
        let gateways = self.gateway.iter().chain(self.nexthops.iter().filter_map(|hop| hop.gateway.as_ref()));
        match gateways.map(|gateway| gateway.contains(':')).next() {
            Some(v6) => v6,
            None => self.pref.is_some() || (requested && self.via.is_none()),
        }
    }
}

#[derive(Deserialize)]
struct JsonVia {
    host: String,
}

#[derive(Deserialize)]
struct JsonHop {
    gateway: Option<String>,
    via: Option<JsonVia>,
    dev: Option<String>,
    weight: Option<u32>,
    #[serde(default)]
    flags: Vec<String>,
}

/// The gateway of a hop: of the route's own family, or of the other one (RFC 5549).
fn gateway(own: Option<&String>, other: Option<&JsonVia>) -> Result<Option<IpAddr>, ParseError> {
    own.or_else(|| other.map(|via| &via.host)).map(|text| address(text)).transpose()
}

/// Reads `ip -j -d -4 route show table all`, or the same with `-6`. Without a family `ip` prints both when all tables
/// are requested: routes of the other family are left out, so that they don't count twice.
///
/// # Errors
/// What is not as `ip` writes it.
pub fn routes(text: &str, v6: bool) -> Result<Vec<Route>, ParseError> {
    let raw: Vec<JsonRoute> = list(text)?;
    raw.iter()
        .filter(|route| route.is_v6(v6) == v6)
        .map(|route| {
            let hops = if !route.nexthops.is_empty() {
                let hops = route.nexthops.iter().map(|hop| {
                    let via = gateway(hop.gateway.as_ref(), hop.via.as_ref())?;
                    Ok(NextHop {
                        via,
                        dev: hop.dev.clone(),
                        weight: hop.weight.unwrap_or(1),
                        flags: sorted(hop.flags.clone()),
                    })
                });
                hops.collect::<Result<Vec<_>, ParseError>>()?
            } else {
                let via = gateway(route.gateway.as_ref(), route.via.as_ref())?;
                let has_hop = via.is_some() || route.dev.is_some();
                let hop = NextHop { via, dev: route.dev.clone(), weight: 1, flags: sorted(route.flags.clone()) };
                if has_hop { vec![hop] } else { Vec::new() }
            };
            Ok(Route {
                to: destination(&route.dst, v6)?,
                kind: route.kind.clone().unwrap_or_else(|| "unicast".to_owned()),
                hops,
                table: table(&word(route.table.as_ref(), "main"))?,
                protocol: word(route.protocol.as_ref(), "boot"),
                scope: word(route.scope.as_ref(), "global"),
                src: route.prefsrc.as_deref().map(address).transpose()?,
                metric: route.metric.unwrap_or(0),
            })
        })
        .collect()
}

#[derive(Deserialize)]
struct JsonRule {
    priority: u32,
    src: Option<String>,
    srclen: Option<u8>,
    dst: Option<String>,
    dstlen: Option<u8>,
    fwmark: Option<String>,
    fwmask: Option<String>,
    iif: Option<String>,
    oif: Option<String>,
    table: Option<Value>,
    action: Option<String>,
}

/// Reads `ip -j -4 rule`, or the same with `-6`. Rules with `not` look like those without: the model has no room for it.
///
/// # Errors
/// What is not as `ip` writes it.
pub fn rules(text: &str, v6: bool) -> Result<Vec<Rule>, ParseError> {
    let raw: Vec<JsonRule> = list(text)?;
    raw.iter()
        .map(|rule| {
            let selector = |text: Option<&String>, length: Option<u8>| match text.map(String::as_str) {
                None | Some("all") => Ok(None),
                Some(text) => {
                    let net = destination(text, v6)?;
                    let net = match length {
                        Some(length) => IpNet::new(net.addr(), length)
                            .map_err(|_| ParseError::at("a prefix length too long for", text))?,
                        None => net,
                    };
                    Ok(Some(net).filter(|net| *net != everything(v6)))
                }
            };
            let table = match (&rule.table, &rule.action) {
                (Some(value), None) => table(&word(Some(value), "main"))?,
                _ => 0,
            };
            Ok(Rule {
                v6,
                priority: rule.priority,
                from: selector(rule.src.as_ref(), rule.srclen)?,
                to: selector(rule.dst.as_ref(), rule.dstlen)?,
                fwmark: rule.fwmark.as_deref().map(|text| mark(text, rule.fwmask.as_deref())).transpose()?,
                iif: rule.iif.clone(),
                oif: rule.oif.clone(),
                table,
            })
        })
        .collect()
}
