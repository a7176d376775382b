//! Requests and their results in words.

use crate::judge::messages::join_words;
use crate::observe::printable;
use crate::plan::Protocol;
use crate::script::ProbeTarget;
use crate::wire::{ProbeEnd, ProbeResult};

/// A request: `ICMP to 10.1.2.3 at host gw`, `TCP port 8080 to 10.0.0.2`.
pub(super) fn question(by: Protocol, port: Option<u16>, target: &ProbeTarget) -> String {
    join_words([
        Some(by.to_string()),
        port.map(|port| format!("port {port}")),
        Some(format!("to {}", target.address)),
        target.endpoint.as_ref().map(|endpoint| format!("at {endpoint}")),
    ])
}

/// How it ended: `no reply to 3 requests`.
pub(super) fn end(seen: &ProbeResult) -> String {
    match &seen.end {
        ProbeEnd::Answered { by, mac, saw } => {
            let mac = mac.as_ref().map(|mac| format!(" at {mac}")).unwrap_or_default();
            let saw = saw.map(|saw| format!(", which saw {}", saw.ip())).unwrap_or_default();
            format!("answered by {by}{mac}{saw}")
        }
        ProbeEnd::Resolved { by, code, addresses } if addresses.is_empty() => {
            format!("answered by {by}: {}, no address", printable(code))
        }
        ProbeEnd::Resolved { by, code, addresses } => {
            let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("answered by {by}: {}, {}", printable(code), all.join(", "))
        }
        ProbeEnd::Sent => "sent, reply unknown".to_owned(),
        ProbeEnd::NoRoute => "no route: the pod's own kernel did not send it".to_owned(),
        ProbeEnd::NoAnswer if seen.sent == 1 => "no reply to 1 request".to_owned(),
        ProbeEnd::NoAnswer => format!("no reply to {} requests", seen.sent),
        ProbeEnd::Refused => "refused".to_owned(),
        ProbeEnd::Filtered { what, by: Some(by) } => format!("filtered: {}, reported by {by}", printable(what)),
        ProbeEnd::Filtered { what, by: None } => format!("filtered: {}", printable(what)),
        ProbeEnd::Unable { why } => format!("could not be sent: {}", printable(why)),
    }
}

/// Tags: `untagged`, `VLAN 100`, `VLAN 100 and in it VLAN 200`.
pub(super) fn tags(tags: &[u16]) -> String {
    match tags {
        [] => "untagged".to_owned(),
        all => all.iter().map(|tag| format!("VLAN {tag}")).collect::<Vec<_>>().join(" and in it "),
    }
}

/// Tags with the priority bits of the outermost, where any is set: `VLAN 100 priority 5`.
pub(super) fn control(tags: &[u16], priority: u8) -> String {
    match (tags.split_first(), priority) {
        (None, _) | (_, 0) => self::tags(tags),
        (Some((_, [])), bits) => format!("{} priority {bits}", self::tags(tags)),
        (Some(_), bits) => format!("{}, priority {bits} outside", self::tags(tags)),
    }
}
