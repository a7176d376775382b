//! The fields that every form of `ip` output shares.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is wrong with an output: a lower-case fragment, characters of the pod's output escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub(super) String);

impl ParseError {
    /// An error about a piece of output of a pod; cut at 80 characters.
    pub(super) fn at(what: &str, text: &str) -> Self {
        let cut: String = text.chars().take(80).collect();
        Self(crate::observe::printable(&format!("{what}: `{cut}`")))
    }
}

/// A destination as `ip` prints it: `default`, a network, or a bare address, which is a host.
pub(super) fn destination(text: &str, v6: bool) -> Result<IpNet, ParseError> {
    let wrong = || ParseError::at("no destination", text);
    let net = match text {
        "default" | "any" | "all" => everything(v6),
        _ if text.contains('/') => text.parse().map_err(|_| wrong())?,
        _ => IpNet::from(text.parse::<IpAddr>().map_err(|_| wrong())?),
    };
    if net.addr().is_ipv6() == v6 { Ok(net) } else { Err(ParseError::at("a destination of the other family", text)) }
}

/// The default route's destination.
pub(super) fn everything(v6: bool) -> IpNet {
    let address = if v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    IpNet::new_assert(address, 0)
}

/// One address.
pub(super) fn address(text: &str) -> Result<IpAddr, ParseError> {
    text.parse().map_err(|_| ParseError::at("no address", text))
}

/// A table by number, or by one of the names that the kernel's own tables have everywhere.
pub(super) fn table(text: &str) -> Result<u32, ParseError> {
    match text {
        "main" => Ok(254),
        "local" => Ok(255),
        "default" => Ok(253),
        "unspec" => Ok(0),
        _ => text
            .parse()
            .map_err(|_| ParseError::at("a table by a name of the pod's own; only numbers can be compared", text)),
    }
}

/// A number in decimal.
pub(super) fn number(text: &str) -> Result<u32, ParseError> {
    text.parse().map_err(|_| ParseError::at("no number", text))
}

/// A firewall mark with its mask: `0x10/0x10`, or without a mask, which then is all ones.
pub(super) fn mark(text: &str, mask: Option<&str>) -> Result<(u32, u32), ParseError> {
    let (mark, mask) = match text.split_once('/') {
        Some((mark, mask)) => (mark, Some(mask)),
        None => (text, mask),
    };
    let read = |text: &str| {
        let parsed = match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => text.parse(),
        };
        parsed.map_err(|_| ParseError::at("no mark", text))
    };
    Ok((read(mark)?, mask.map_or(Ok(u32::MAX), read)?))
}

/// Words as a sorted list without doubles.
pub(super) fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words.dedup();
    words
}
