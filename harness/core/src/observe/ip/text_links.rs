//! The text of `ip a` (iproute2 and BusyBox).

use super::fields::{ParseError, address, number, sorted};
use crate::observe::{Address, Link};
use ipnet::IpNet;

/// Address flags by bit, for BusyBox, which prints those it has no word for as `flags 02`
/// (`include/uapi/linux/if_addr.h`).
const ADDRESS_BITS: [(u32, &str); 4] =
    [(0x02, "nodad"), (0x04, "optimistic"), (0x10, "home"), (0x200, "noprefixroute")];

/// Reads `ip a` or `ip -d a`. BusyBox prints no operational state: its links have an empty [`Link::state`] and no
/// [`Link::parent`], since the name that it prints after `@` is looked up in the wrong namespace.
///
/// # Errors
/// What is not as `ip` writes it.
pub fn links(text: &str) -> Result<Vec<Link>, ParseError> {
    let mut links: Vec<Link> = Vec::new();
    // Names of parent and master, by link.
    let mut uppers: Vec<(Option<String>, Option<String>)> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first() else { continue };
        if !line.starts_with(char::is_whitespace) {
            let (link, parent, master) = head(line, &words)?;
            links.push(link);
            uppers.push((parent, master));
            continue;
        }
        let link = links.last_mut().ok_or_else(|| ParseError::at("a line before the first link", line))?;
        if first.starts_with("link/") {
            details(link, &words);
        } else if *first == "inet" || *first == "inet6" {
            link.addresses.push(one_address(&words, line)?);
        } else if link.kind.is_none() && KINDS.contains(first) {
            // Only with -d: the kind, and after it what the kind says of itself.
            link.kind = Some((*first).to_owned());
            link.mode = after(&words, "mode").map(str::to_owned);
            link.vlan_id = if *first == "vlan" { after(&words, "id").and_then(|id| id.parse().ok()) } else { None };
        }
    }
    let index_of = |links: &[Link], name: &str| links.iter().find(|link| link.name == name).map(|link| link.index);
    for (at, (parent, master)) in uppers.iter().enumerate() {
        links[at].master = master.as_deref().and_then(|name| index_of(&links, name));
        let parent = parent.as_deref().filter(|_| !links[at].state.is_empty());
        let number = |name: &str| name.strip_prefix("if").and_then(|index| index.parse().ok());
        links[at].parent = parent.and_then(|name| number(name).or_else(|| index_of(&links, name)));
    }
    Ok(links)
}

/// Kinds that begin a line of `ip -d a`; other words there belong to the link in general.
const KINDS: [&str; 12] =
    ["macvlan", "macvtap", "ipvlan", "veth", "bridge", "vlan", "vrf", "dummy", "bond", "vxlan", "tun", "ifb"];

/// The first line of a link: `3: eth1@if2: <FLAGS> mtu 1400 qdisc noqueue state UP group default qlen 1000`.
fn head(line: &str, words: &[&str]) -> Result<(Link, Option<String>, Option<String>), ParseError> {
    let wrong = || ParseError::at("not the first line of a link", line);
    let index = words[0].strip_suffix(':').and_then(|index| index.parse().ok()).ok_or_else(wrong)?;
    let name = words.get(1).and_then(|name| name.strip_suffix(':')).ok_or_else(wrong)?;
    let flags = words.get(2).and_then(|flags| flags.strip_prefix('<')?.strip_suffix('>')).ok_or_else(wrong)?;
    // Interface names may hold `@`; what iproute2 adds comes after the last one.
    let (name, parent) = match name.rsplit_once('@') {
        Some((name, "NONE")) => (name, None),
        Some((name, parent)) => (name, Some(parent.to_owned())),
        None => (name, None),
    };
    let link = Link {
        index,
        name: name.to_owned(),
        flags: sorted(flags.split(',').filter(|flag| !flag.is_empty()).map(str::to_owned).collect()),
        state: after(words, "state").unwrap_or_default().to_owned(),
        mtu: after(words, "mtu").map(number).transpose()?.unwrap_or(0),
        ..Link::default()
    };
    Ok((link, parent, after(words, "master").map(str::to_owned)))
}

/// `link/ether 02:00:00:00:01:01 brd ff:ff:ff:ff:ff:ff link-netnsid 0`.
fn details(link: &mut Link, words: &[&str]) {
    if let Some(mac) = words.get(1).filter(|word| word.contains(':')) {
        link.mac = mac.to_ascii_lowercase();
    }
    link.parent_netns = after(words, "link-netnsid").and_then(|id| id.parse().ok());
}

/// `inet 10.1.1.1 peer 10.1.1.2/32 brd 10.1.1.255 scope global secondary eth2`: the prefix length is the peer's.
fn one_address(words: &[&str], line: &str) -> Result<Address, ParseError> {
    let wrong = || ParseError::at("not an address line", line);
    let own = words.get(1).ok_or_else(wrong)?;
    let with_length = after(words, "peer").unwrap_or(own);
    let length = match with_length.split_once('/') {
        Some((_, length)) => number(length)?,
        None if own.contains(':') => 128,
        None => 32,
    };
    let own = own.split_once('/').map_or(*own, |(address, _)| address);
    let length = u8::try_from(length).map_err(|_| wrong())?;
    let net = IpNet::new(address(own)?, length).map_err(|_| wrong())?;
    let scope_at = words.iter().position(|word| *word == "scope");
    let scope = after(words, "scope").unwrap_or("global");
    let mut flags = Vec::new();
    let mut rest = words[scope_at.map_or(words.len(), |at| (at + 2).min(words.len()))..].iter();
    while let Some(word) = rest.next() {
        match *word {
            "proto" | "metric" => {
                rest.next();
            }
            "flags" => {
                let bits = rest.next().and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0);
                flags
                    .extend(ADDRESS_BITS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| (*name).to_owned()));
            }
            "secondary" | "temporary" | "nodad" | "optimistic" | "dadfailed" | "home" | "deprecated" | "tentative"
            | "dynamic" | "mngtmpaddr" | "noprefixroute" | "autojoin" | "stable-privacy" => {
                flags.push((*word).to_owned())
            }
            // The label of an IPv4 address.
            _ => {}
        }
    }
    Ok(Address { address: net, scope: scope.to_owned(), flags: sorted(flags) })
}

/// The word after another word.
fn after<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1)).copied()
}
