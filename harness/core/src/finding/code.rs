//! The table of finding codes: every code, its severity and its title. Everything else about a code follows from it.

use super::Severity;
use serde::{Deserialize, Serialize};

macro_rules! finding_codes {
    ($($code:ident $severity:ident $title:literal)+) => {
        /// A stable finding code. The first digit names the family: 1 requested against reported, 2 reported against
        /// kernel, 3 requested against kernel, 4 wire, 5 leaks, 6 configuration, 9 testbed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FindingCode {
            $(#[doc = $title] $code,)+
        }

        impl FindingCode {
            /// All codes, in order.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// The code as text: `PL301`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)+ }
            }

            /// How severe a finding of this code is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)+ }
            }

            /// The title, in one line.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)+ }
            }

            /// The page that explains the code, in Markdown.
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$code => {
                        include_str!(concat!("../../../../docs/findings/", stringify!($code), ".md"))
                    })+
                }
            }
        }
    };
}

finding_codes! {
    PL101 Failure "plugin of the chain failed"
    PL102 Failure "requested interface not attached"
    PL103 Failure "existing network not found"
    PL104 Failure "pod did not become ready"
    PL105 Warning "plugin wrote to standard error and reported success"
    PL106 Warning "interface attached but not reported"
    PL107 Failure "CNI result differs from what the configuration asks for"

    PL201 Failure "address reported but not in the kernel"
    PL202 Failure "route reported but not in the kernel"
    PL203 Failure "interface reported but not in the kernel"
    PL204 Warning "address in the kernel but not reported"
    PL205 Warning "route in the kernel but not reported"
    PL206 Failure "reported MAC address differs from the kernel"

    PL301 Failure "address missing"
    PL302 Failure "wrong prefix length"
    PL303 Failure "unrequested address"
    PL304 Failure "address on a different interface"
    PL305 Failure "forbidden address present"
    PL306 Failure "duplicate address detected"
    PL307 Warning "address still tentative"
    PL308 Failure "two pods have the same address"
    PL310 Failure "interface missing"
    PL311 Failure "forbidden interface present"
    PL312 Failure "wrong kind of link"
    PL313 Failure "wrong parent interface"
    PL314 Failure "wrong link state"
    PL315 Failure "wrong MTU"
    PL316 Failure "wrong MAC address"
    PL317 Failure "two pods have the same MAC address"
    PL320 Failure "route missing"
    PL321 Failure "route differs from the expected one"
    PL322 Failure "route uses a different interface"
    PL323 Failure "unrequested route"
    PL324 Warning "route over a link that is down"
    PL325 Failure "forbidden route present"
    PL330 Failure "default route uses a different interface"
    PL331 Failure "wrong number of default routes"
    PL332 Failure "default route has a different gateway"
    PL333 Failure "unrequested default route"
    PL340 Failure "wrong sysctl value"
    PL341 Failure "wrong IPv6 link-local addresses"
    PL350 Failure "state differs from what the configuration asks for"
    PL351 Failure "unrequested change in the pod"
    PL352 Failure "unrequested change on the node"

    PL401 Failure "target not reached"
    PL402 Failure "request or reply used a different interface"
    PL403 Failure "packet sent to a different neighbour"
    PL404 Failure "target sees a different source address"
    PL405 Failure "wrong VLAN tags on the wire"
    PL406 Failure "wrong VLAN priority on the wire"
    PL407 Failure "name resolves to a different address"
    PL410 Failure "forbidden target reached"
    PL411 Failure "target not reached, but for a different reason"
    PL420 Failure "pod not reached through a port of its node"
    PL421 Failure "reply left the node through a different interface"
    PL422 Failure "pod sees a different source address behind a port of its node"
    PL423 Failure "masqAll has no effect with portmap's nftables backend"

    PL501 Failure "IP lease leaked"
    PL510 Failure "firewall rule leaked"
    PL511 Warning "tracked UDP connection leaked"
    PL512 Failure "rule, route or link leaked"
    PL513 Failure "state left by DEL"
    PL514 Failure "second DEL fails or changes something"

    PL601 Warning "macvlan and ipvlan ignore `vlan`"
    PL602 Warning "key unknown to its plugin"
    PL603 Failure "configuration holds no readable chain"
    PL604 Warning "first plugin needs the result of an earlier one"
    PL605 Warning "implausible value"
    PL606 Warning "cniVersion does not fit the plugin"
    PL607 Warning "two main plugins for one interface"
    PL608 Warning "added route covers the cluster's own ranges"
    PL609 Warning "value of a wrong JSON type"
    PL610 Warning "key of a different release"
    PL611 Warning "deprecated key"
    PL612 Info "key in different letter case"
    PL613 Warning "`type` beside `plugins`"
    PL614 Warning "capability missing or unused"
    PL615 Warning "address or range used twice"
    PL616 Warning "route repeats or replaces the default route"
    PL617 Warning "sysctl that tuning refuses or misdirects"
    PL618 Warning "networks annotation that Multus refuses, or does not read"
    PL619 Warning "requested network not found"
    PL620 Failure "eni-config lacks a key that Terway needs"
    PL621 Failure "key of eni-config is not JSON"
    PL622 Failure "eni-config yields no chain"
    PL623 Failure "first plugin differs from 10-terway.conf"
    PL624 Warning "key unknown to Terway"
    PL625 Failure "Terway version too old"
    PL626 Warning "masqAll has no effect"
    PL627 Warning "ACK document and Terway sources disagree"
    PL628 Failure "setting required for this access is missing"
    PL629 Warning "setting not required for this access"
    PL630 Failure "plugin cannot work at this place in the chain"
    PL631 Warning "nodes ignore the chain"
    PL632 Failure "plugin of the chain missing on a node"
    PL633 Warning "unknown plugin"
    PL634 Failure "value refused by Terway or a plugin"
    PL635 Warning "key or value without the intended effect"
    PL636 Failure "chain on a node differs from eni-config"
    PL637 Warning "pods still run on the old chain"
    PL638 Failure "change affects more than the chain"
    PL639 Failure "canary pod not ready on the new chain"
    PL640 Info "network without a pod, or pod without a network"
    PL641 Info "network name that an admission webhook refuses"
    PL642 Info "plugin or configuration not known here"
    PL643 Warning "key missing that the plugin needs"

    PL901 Failure "no fact checked"
}

/// A text that is no finding code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("finding code `{0}` does not exist")]
pub struct UnknownCode(pub String);

impl std::str::FromStr for FindingCode {
    type Err = UnknownCode;

    /// Reads a code; letter case does not matter.
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let code = Self::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(text));
        code.copied().ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl std::fmt::Display for FindingCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl FindingCode {
    /// Whether the code is about packets (`PL4xx`). Such a finding has no nearest candidate: nothing is near to a reply
    /// that did not arrive.
    pub fn is_about_packets(self) -> bool {
        self.as_str().starts_with("PL4")
    }

    /// Whether the code is about something that an exact list does not have. Its source is that list.
    pub fn is_outside_a_list(self) -> bool {
        matches!(self, Self::PL303 | Self::PL323)
    }
}
