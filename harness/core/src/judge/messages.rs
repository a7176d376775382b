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

/// The words that are there, with blanks between them.
pub(super) fn join_words(words: impl IntoIterator<Item = Option<String>>) -> String {
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A route as `ip route` prints it; protocol left out.
pub(super) fn format_route(route: &Route) -> String {
    let hops = match route.hops.as_slice() {
        [one] => format_hop(one),
        many => join_words(many.iter().flat_map(|hop| {
            let text = Some(format_hop(hop)).filter(|text| !text.is_empty());
            [Some("nexthop".to_owned()), text, Some(format!("weight {}", hop.weight))]
        })),
    };
    join_words([
        (route.kind != "unicast").then(|| route.kind.clone()),
        Some(format_destination(&route.to)),
        Some(hops).filter(|hops| !hops.is_empty()),
        (route.table != 254).then(|| format!("table {}", route.table)),
        (route.scope != "global").then(|| format!("scope {}", route.scope)),
        route.src.map(|src| format!("src {src}")),
        (route.metric != 0).then(|| format!("metric {}", route.metric)),
    ])
}

fn format_hop(hop: &NextHop) -> String {
    let via = hop.via.map(|via| format!("via {via}"));
    let dev = hop.dev.as_ref().map(|dev| format!("dev {dev}"));
    join_words([via, dev].into_iter().chain(hop.flags.iter().cloned().map(Some)))
}

/// An expected route in the same form; only what is compared is shown.
pub(super) fn format_wanted_route(wanted: &WantedRoute, dev: &str) -> String {
    let (via, on_link) = match wanted.via {
        Some(WantedGateway::Address(via)) => (Some(format!("via {via}")), None),
        Some(WantedGateway::None) => (None, Some("(no gateway)".to_owned())),
        None => (None, None),
    };
    join_words([
        Some(format_destination(&wanted.to)),
        via,
        Some(format!("dev {dev}")),
        wanted.table.filter(|table| *table != 254).map(|table| format!("table {table}")),
        wanted.scope.as_ref().map(|scope| format!("scope {scope}")),
        wanted.src.map(|src| format!("src {src}")),
        wanted.metric.map(|metric| format!("metric {metric}")),
        on_link,
    ])
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
    fn the_end_of_a_long_text_is_kept_since_the_plugins_own_message_is_there() {
        let long = format!("rpc error: {}: failed (add): no such master", "x".repeat(NOTE));
        let quoted = quote("event", &long);
        assert!(quoted.starts_with("event: rpc error: x") && quoted.ends_with("(add): no such master"), "{quoted}");
        assert_eq!(quoted.matches(" [cut] ").count(), 1);
        assert_eq!(quoted.chars().count(), "event: ".len() + NOTE + " [cut] ".len());
        assert_eq!(quote("event", &"y".repeat(NOTE)), format!("event: {}", "y".repeat(NOTE)));
    }
}
