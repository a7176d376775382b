//! Facts in the format of `ip`, so that expected and found can be compared.

use crate::observe::{Link, NextHop, Route, printable};
use crate::plan::{WantedGateway, WantedRoute};
use ipnet::IpNet;

/// Longest piece of foreign text kept in a note, in characters.
const NOTE: usize = 600;
/// How much of that is its end, where it is cut.
const LAST: usize = 350;

/// `default` for a default route, else the network.
pub(super) fn format_destination(to: &IpNet) -> String {
    if to.prefix_len() == 0 { "default".to_owned() } else { to.to_string() }
}

/// A route as `ip route` prints it; protocol left out.
pub(super) fn format_route(route: &Route) -> String {
    let mut text = String::new();
    if route.kind != "unicast" {
        text.push_str(&route.kind);
        text.push(' ');
    }
    text.push_str(&format_destination(&route.to));
    match route.hops.as_slice() {
        [one] => text.push_str(&format_hop(one)),
        many => {
            for one in many {
                text.push_str(" nexthop");
                text.push_str(&format_hop(one));
                text.push_str(&format!(" weight {}", one.weight));
            }
        }
    }
    if route.table != 254 {
        text.push_str(&format!(" table {}", route.table));
    }
    if route.scope != "global" {
        text.push_str(&format!(" scope {}", route.scope));
    }
    if let Some(src) = route.src {
        text.push_str(&format!(" src {src}"));
    }
    if route.metric != 0 {
        text.push_str(&format!(" metric {}", route.metric));
    }
    text
}

fn format_hop(hop: &NextHop) -> String {
    let mut text = hop.via.map(|via| format!(" via {via}")).unwrap_or_default();
    if let Some(dev) = &hop.dev {
        text.push_str(&format!(" dev {dev}"));
    }
    for flag in &hop.flags {
        text.push(' ');
        text.push_str(flag);
    }
    text
}

/// An expected route in the same form; only what is compared is shown.
pub(super) fn format_wanted_route(wanted: &WantedRoute, dev: &str) -> String {
    let mut text = format_destination(&wanted.to);
    if let Some(WantedGateway::Address(via)) = wanted.via {
        text.push_str(&format!(" via {via}"));
    }
    text.push_str(&format!(" dev {dev}"));
    if let Some(table) = wanted.table.filter(|table| *table != 254) {
        text.push_str(&format!(" table {table}"));
    }
    if let Some(scope) = &wanted.scope {
        text.push_str(&format!(" scope {scope}"));
    }
    if let Some(src) = wanted.src {
        text.push_str(&format!(" src {src}"));
    }
    if let Some(metric) = wanted.metric {
        text.push_str(&format!(" metric {metric}"));
    }
    if wanted.via == Some(WantedGateway::None) {
        text.push_str(" (no gateway)");
    }
    text
}

/// A link's state: `UP, NO-CARRIER (LOWERLAYERDOWN)`.
pub(super) fn format_state(link: &Link) -> String {
    let words: Vec<&str> = ["UP", "NO-CARRIER"].into_iter().filter(|word| link.has_flag(word)).collect();
    let words = if words.is_empty() { "down".to_owned() } else { words.join(", ") };
    if link.state.is_empty() { words } else { format!("{words} ({})", link.state) }
}

/// Foreign text with its origin: escaped, on one line, and cut in the middle. Errors are wrapped from the left, so the
/// plugin's own message comes last.
pub(super) fn quote(who: &str, text: &str) -> String {
    let text = printable(text.trim()).replace('\n', " | ");
    let length = text.chars().count();
    if length <= NOTE {
        return format!("{who}: {text}");
    }
    let begin: String = text.chars().take(NOTE - LAST).collect();
    let end: String = text.chars().skip(length - LAST).collect();
    format!("{who}: {begin} [cut] {end}")
}

#[cfg(test)]
mod tests {
    use super::{NOTE, quote};

    #[test]
    fn the_end_of_a_long_text_is_kept_since_the_plugin_speaks_last() {
        let long = format!("rpc error: {}: failed (add): no such master", "x".repeat(NOTE));
        let quoted = quote("event", &long);
        assert!(quoted.starts_with("event: rpc error: x") && quoted.ends_with("(add): no such master"), "{quoted}");
        assert_eq!(quoted.matches(" [cut] ").count(), 1);
        assert_eq!(quoted.chars().count(), "event: ".len() + NOTE + " [cut] ".len());
        assert_eq!(quote("event", &"y".repeat(NOTE)), format!("event: {}", "y".repeat(NOTE)));
    }
}
