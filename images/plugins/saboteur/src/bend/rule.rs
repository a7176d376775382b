//! Policy routing rules of the pod.

use crate::call::{Call, Done, Problem};
use ipnet::IpNet;
use plumbline_netlink::packet::AddressFamily;
use plumbline_netlink::packet::rule::RuleAction;
use plumbline_netlink::{NewRule, rule};

/// The table `default`, which is empty (`linux/rtnetlink.h`).
const EMPTY_TABLE: u32 = 253;

fn source() -> IpNet {
    IpNet::V4("198.51.100.0/24".parse().unwrap_or_default())
}

/// A rule that drops what comes from some addresses.
pub fn add_blackhole(call: &mut Call) -> Done {
    Ok(call.pod()?.add_rule(&NewRule::from(source(), 0, 100).action(RuleAction::Blackhole))?)
}

/// A rule that leads to another table.
pub fn add_lookup(call: &mut Call) -> Done {
    Ok(call.pod()?.add_rule(&NewRule::from(source(), EMPTY_TABLE, 100))?)
}

/// A rule for marked packets of IPv6.
pub fn add_marked_v6(call: &mut Call) -> Done {
    let marked = NewRule::all(AddressFamily::Inet6, EMPTY_TABLE, 100).mark(0x40, 0x40);
    Ok(call.pod()?.add_rule(&marked)?)
}

/// The rule for the table `default` is missing.
pub fn remove_last(call: &mut Call) -> Done {
    let listed = call.pod()?.rules_of(AddressFamily::Inet)?;
    let last = listed.iter().find(|listed| rule::table(listed) == EMPTY_TABLE);
    let last = last.ok_or_else(|| Problem::failed("there is no such rule"))?;
    Ok(call.pod()?.delete_rule(last)?)
}
