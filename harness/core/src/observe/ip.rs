//! Reading what `ip` prints: JSON of iproute2 (6.1 and newer are in the golden files), texts of iproute2 and BusyBox.
//!
//! A pod can print anything: each function here returns a value or an error for any input, and never panics.

mod fields;
mod json;
mod text_links;
mod text_routes;

pub use fields::ParseError;
pub use json::{links as links_from_json, routes as routes_from_json, rules as rules_from_json};
pub use text_links::links as links_from_text;
pub use text_routes::{routes as routes_from_text, rules as rules_from_text};

use super::{KernelState, Transcript};
use serde::{Deserialize, Serialize};

/// Raw outputs of `ip`, of one round trip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IpOutputs {
    /// `ip a` and `ip route`, for people.
    pub transcripts: Vec<Transcript>,
    /// `ip -j -d addr`; none where `ip` has no `-j` (BusyBox).
    pub addr_json: Option<String>,
    /// `ip -j -d -4 route show table all`.
    pub route4_json: Option<String>,
    /// `ip -j -d -6 route show table all`.
    pub route6_json: Option<String>,
    /// `ip -j -4 rule`.
    pub rule4_json: Option<String>,
    /// `ip -j -6 rule`.
    pub rule6_json: Option<String>,
}

/// How much of the kernel's state an output has: what is `false` was not printed and must not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// All routing tables, and not the main one alone.
    pub all_tables: bool,
    /// IPv6 routes too.
    pub v6_routes: bool,
    /// Rules.
    pub rules: bool,
    /// Link kinds, parents and operational states, every next hop (BusyBox has none of these).
    pub details: bool,
}

impl Coverage {
    /// Everything.
    pub const FULL: Self = Self { all_tables: true, v6_routes: true, rules: true, details: true };
}

/// Reads what `ip` printed in a pod: the JSON where it is there, else the texts among the transcripts
/// (`ip a`, `ip route`, `ip -6 route`, `ip rule`, `ip -6 rule`, the routes also with `show table all`).
///
/// # Errors
/// Which output is not as `ip` writes it; a pod is not trusted, so its output is escaped and cut.
pub fn kernel_state(outputs: &IpOutputs) -> Result<(KernelState, Coverage), ParseError> {
    let named = |name: &'static str| move |error: ParseError| ParseError(format!("output of `{name}`: {error}"));
    if let Some(addr) = &outputs.addr_json {
        let mut state =
            KernelState { links: json::links(addr).map_err(named("ip -j -d addr"))?, ..KernelState::default() };
        let mut coverage = Coverage { v6_routes: false, rules: false, ..Coverage::FULL };
        if let Some(text) = &outputs.route4_json {
            state.routes.extend(json::routes(text, false).map_err(named("ip -j -d -4 route"))?);
        }
        if let Some(text) = &outputs.route6_json {
            state.routes.extend(json::routes(text, true).map_err(named("ip -j -d -6 route"))?);
            coverage.v6_routes = true;
        }
        if let (Some(v4), Some(v6)) = (&outputs.rule4_json, &outputs.rule6_json) {
            state.rules.extend(json::rules(v4, false).map_err(named("ip -j -4 rule"))?);
            state.rules.extend(json::rules(v6, true).map_err(named("ip -j -6 rule"))?);
            coverage.rules = true;
        }
        return Ok((state, coverage));
    }
    from_texts(outputs)
}

fn from_texts(outputs: &IpOutputs) -> Result<(KernelState, Coverage), ParseError> {
    let find = |commands: &[&str]| {
        outputs
            .transcripts
            .iter()
            .find(|transcript| commands.contains(&transcript.command.as_str()))
            .map(|found| found.text.as_str())
    };
    let addr = find(&["ip a", "ip addr", "ip -d a", "ip -d addr"])
        .ok_or_else(|| ParseError("no output of `ip a`".to_owned()))?;
    let links = text_links::links(addr)?;
    let mut routes = Vec::new();
    let all = find(&["ip route show table all"]);
    let main = find(&["ip route", "ip r"]);
    let text = all.or(main).ok_or_else(|| ParseError("no output of `ip route`".to_owned()))?;
    routes.extend(text_routes::routes(text, false)?);
    let both_families = all.is_some() && routes.iter().any(|route| route.to.addr().is_ipv6());
    let six = find(&["ip -6 route show table all"]).or_else(|| find(&["ip -6 route"]));
    if let (Some(text), false) = (six, both_families) {
        routes.extend(text_routes::routes(text, true)?);
    }
    let mut rules = Vec::new();
    let rule_texts = (find(&["ip rule", "ip rule show"]), find(&["ip -6 rule", "ip -6 rule show"]));
    if let (Some(v4), Some(v6)) = rule_texts {
        rules.extend(text_routes::rules(v4, false)?);
        rules.extend(text_routes::rules(v6, true)?);
    }
    let coverage = Coverage {
        all_tables: all.is_some(),
        v6_routes: both_families || six.is_some(),
        rules: !rules.is_empty(),
        // iproute2 prints a state for every link, BusyBox for none.
        details: links.iter().all(|link| !link.state.is_empty()),
    };
    Ok((KernelState { links, routes, rules }, coverage))
}
