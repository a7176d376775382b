//! Every finding code there is, with its page in `docs/findings/`.

use super::Severity;

/// What is known of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The code: `PL` and three digits. The first tells the family: 1 asked against reported, 2 reported against
    /// kernel, 3 asked against kernel, 4 wire, 5 life cycle and leaks, 6 configuration, 9 bed.
    pub code: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// One line.
    pub title: &'static str,
    /// The page, in Markdown.
    pub page: &'static str,
}

macro_rules! entry {
    ($code:literal, $severity:ident, $title:literal) => {
        Entry {
            code: $code,
            severity: Severity::$severity,
            title: $title,
            page: include_str!(concat!("../../../../docs/findings/", $code, ".md")),
        }
    };
}

/// All codes, in order.
const ENTRIES: &[Entry] = &[
    entry!("PL101", Error, "a plugin of the chain failed"),
    entry!("PL102", Error, "asked for, and not attached"),
    entry!("PL103", Error, "a network said to exist is not there"),
    entry!("PL104", Error, "the pod did not come up"),
    entry!("PL105", Warning, "a plugin wrote on standard error and said that all went well"),
    entry!("PL106", Warning, "attached, and not reported"),
    entry!("PL201", Error, "address reported, and not in the kernel"),
    entry!("PL202", Error, "route reported, and not in the kernel"),
    entry!("PL203", Error, "interface reported, and not in the kernel"),
    entry!("PL204", Warning, "address in the kernel, and not reported"),
    entry!("PL205", Warning, "route in the kernel, and not reported"),
    entry!("PL206", Error, "MAC reported is not the interface's"),
    entry!("PL301", Error, "address missing"),
    entry!("PL302", Error, "wrong prefix length"),
    entry!("PL303", Error, "an address that nobody asked for"),
    entry!("PL304", Error, "address on another interface"),
    entry!("PL305", Error, "an unwanted address is there"),
    entry!("PL306", Error, "duplicate address: detection failed"),
    entry!("PL307", Warning, "address still tentative"),
    entry!("PL308", Error, "two pods have one address"),
    entry!("PL310", Error, "interface missing"),
    entry!("PL311", Error, "an unwanted interface is there"),
    entry!("PL312", Error, "wrong kind of link"),
    entry!("PL313", Error, "wrong parent"),
    entry!("PL314", Error, "wrong state"),
    entry!("PL315", Error, "wrong MTU"),
    entry!("PL316", Error, "wrong MAC address"),
    entry!("PL317", Error, "two pods have one MAC address"),
    entry!("PL320", Error, "route missing"),
    entry!("PL321", Error, "route is there, and not as asked for"),
    entry!("PL322", Error, "route goes out of another interface"),
    entry!("PL323", Error, "a route that nobody asked for"),
    entry!("PL324", Warning, "route over a link that is down"),
    entry!("PL325", Error, "an unwanted route is there"),
    entry!("PL330", Error, "default route through another interface"),
    entry!("PL331", Error, "wrong number of default routes"),
    entry!("PL332", Error, "default route has another gateway"),
    entry!("PL333", Error, "a default route that nobody asked for"),
    entry!("PL340", Error, "a sysctl is not as wanted"),
    entry!("PL341", Error, "IPv6 link-local addresses are not as wanted"),
    entry!("PL401", Error, "not reached"),
    entry!("PL402", Error, "by another interface"),
    entry!("PL403", Error, "handed to another neighbour"),
    entry!("PL404", Error, "seen from another address"),
    entry!("PL405", Error, "wrong tags on the wire"),
    entry!("PL406", Error, "wrong priority bits on the wire"),
    entry!("PL407", Error, "a name resolves to something else"),
    entry!("PL410", Error, "reached, and must not be"),
    entry!("PL411", Error, "not reached, and for another reason"),
    entry!("PL420", Error, "not reached by a port of the node"),
    entry!("PL421", Error, "an answer left the node by another interface"),
    entry!("PL422", Error, "the pod sees another source address behind a port of the node"),
    entry!("PL423", Error, "masqAll does nothing with portmap's nftables backend"),
    entry!("PL501", Error, "a lease stays after the pod"),
    entry!("PL510", Error, "a firewall rule stays after the pod"),
    entry!("PL511", Warning, "a tracked UDP connection stays after the pod"),
    entry!("PL512", Error, "a rule, route or link stays after the pod"),
    entry!("PL601", Warning, "macvlan and ipvlan have no `vlan`"),
    entry!("PL602", Warning, "key not known to its plugin"),
    entry!("PL603", Error, "no chain can be read from the configuration"),
    entry!("PL604", Warning, "first in the chain, and in need of an earlier result"),
    entry!("PL605", Warning, "a value that can't be what is meant"),
    entry!("PL606", Warning, "cniVersion that does not fit"),
    entry!("PL607", Warning, "two makers of one interface"),
    entry!("PL608", Warning, "an added route swallows the cluster's own ranges"),
    entry!("PL620", Error, "eni-config lacks a key that Terway needs"),
    entry!("PL621", Error, "a key of eni-config is not JSON"),
    entry!("PL622", Error, "no chain can be made of eni-config"),
    entry!("PL623", Error, "the first plugin is not the entry of 10-terway.conf"),
    entry!("PL624", Warning, "a key that Terway does not know"),
    entry!("PL625", Error, "Terway is too old for it"),
    entry!("PL626", Warning, "masqAll is without effect"),
    entry!("PL627", Warning, "the document says one thing, the sources another"),
    entry!("PL628", Error, "a setting that this access needs is missing"),
    entry!("PL629", Warning, "a setting that this access does not need"),
    entry!("PL630", Error, "a plugin where it can't work"),
    entry!("PL631", Warning, "nodes that throw the chain away"),
    entry!("PL632", Error, "a plugin of the chain is not on a node"),
    entry!("PL633", Warning, "a plugin that is not known here"),
    entry!("PL634", Error, "a value that Terway or a plugin refuses"),
    entry!("PL635", Warning, "a key or value that does nothing, or not what is meant"),
    entry!("PL636", Error, "a node's chain is not what was asked for"),
    entry!("PL637", Warning, "pods that still run on the old chain"),
    entry!("PL638", Error, "more than the chain would be changed"),
    entry!("PL639", Error, "the canary did not come up on the new chain"),
    entry!("PL901", Error, "nothing was checked"),
];

/// All codes, in order.
#[must_use]
pub fn catalogue() -> &'static [Entry] {
    ENTRIES
}

/// What is known of a code; letter case does not matter.
#[must_use]
pub fn explain(code: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.code.eq_ignore_ascii_case(code))
}

/// The severity of a code; an error for one that is not in the catalogue, so that nothing passes by a slip.
#[must_use]
pub fn severity(code: &str) -> Severity {
    explain(code).map_or(Severity::Error, |entry| entry.severity)
}
