//! The mutants. Those up to M60 have the numbers of the list that they come from; numbers that are missing concern parts
//! that no plugin here has.

use crate::bend::{address, firewall, life_cycle, link, node, pod, result, route, rule};
use crate::call::{Call, Done};

/// What a mutant bends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Addresses of the pod.
    Address,
    /// Routes of the pod.
    Route,
    /// Policy routing rules of the pod.
    Rule,
    /// The interface and its other end.
    Link,
    /// Other state of the pod.
    Pod,
    /// The result.
    Result,
    /// The node.
    Node,
    /// Other commands than ADD.
    LifeCycle,
}

impl Family {
    /// The word for it: `life cycle`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Route => "route",
            Self::Rule => "rule",
            Self::Link => "link",
            Self::Pod => "pod",
            Self::Result => "result",
            Self::Node => "node",
            Self::LifeCycle => "life cycle",
        }
    }
}

/// How a mutant bends a call.
#[derive(Clone, Copy)]
pub enum Bend {
    /// The real plugin runs first; if it succeeds, the function bends what it did.
    After(fn(&mut Call) -> Done),
    /// The function decides whether and when the real plugin runs.
    Around(fn(&mut Call) -> Done),
}

/// One way in which a plugin can be wrong.
#[derive(Clone, Copy)]
pub struct Mutant {
    /// Its number, such as `M07`.
    pub id: &'static str,
    /// What it bends.
    pub family: Family,
    /// The commands that it is for.
    pub commands: &'static [&'static str],
    /// The plugins whose place it can take; tests use the first.
    pub plugins: &'static [&'static str],
    /// What is wrong then, in one line.
    pub description: &'static str,
    /// How.
    pub bend: Bend,
}

/// The mutant of this id.
pub fn find(id: &str) -> Option<&'static Mutant> {
    MUTANTS.iter().find(|mutant| mutant.id == id)
}

const fn mutant(
    id: &'static str,
    family: Family,
    commands: &'static [&'static str],
    plugins: &'static [&'static str],
    description: &'static str,
    bend: Bend,
) -> Mutant {
    Mutant { id, family, commands, plugins, description, bend }
}

const ADD: &[&str] = &["ADD"];
const DEL: &[&str] = &["DEL"];
const CHECK: &[&str] = &["CHECK"];
const GC: &[&str] = &["GC"];
const STATUS: &[&str] = &["STATUS"];

/// Main plugins, that of the test first.
const MACVLAN: &[&str] = &["macvlan", "bridge", "ptp"];
const BRIDGE: &[&str] = &["bridge", "macvlan", "ptp"];
const PTP: &[&str] = &["ptp", "bridge", "macvlan"];

use Bend::{After, Around};
use Family::{Address, LifeCycle, Link, Node, Pod, Result, Route, Rule};

/// All mutants, by number.
#[rustfmt::skip]
pub const MUTANTS: &[Mutant] = &[
    mutant("M01", Address, ADD, MACVLAN, "no IPv4 address in the kernel", After(address::remove)),
    mutant("M02", Address, ADD, MACVLAN, "the next address, in kernel and result", After(address::increment)),
    mutant("M03", Address, ADD, BRIDGE, "a prefix one bit longer, in kernel and result", After(address::lengthen_prefix)),
    mutant("M04", Address, ADD, BRIDGE, "a second address", After(address::add_extra)),
    mutant("M06", Address, ADD, &["host-local"], "the address of another pod's lease", After(address::share)),
    mutant("M07", Address, ADD, MACVLAN, "scope link", After(address::narrow_scope)),
    mutant("M08", Address, ADD, &["bridge"], "IPv6 duplicate address detection failed", After(address::fail_detection)),
    mutant("M10", Address, ADD, &["host-local"], "an address outside its range", After(address::leave_range)),
    mutant("M11", Address, ADD, &["macvlan"], "the IPv6 address is missing", After(address::remove_v6)),
    mutant("M12", Route, ADD, MACVLAN, "a route is missing in kernel and result", After(route::remove)),
    mutant("M13", Route, ADD, MACVLAN, "another gateway", After(route::change_gateway)),
    mutant("M14", Route, ADD, MACVLAN, "through another interface", After(route::change_device)),
    mutant("M15", Route, ADD, PTP, "another metric", After(route::change_metric)),
    mutant("M17", Route, ADD, MACVLAN, "a further default route", After(route::add_default)),
    mutant("M18", Route, ADD, BRIDGE, "a blackhole in its place", After(route::make_blackhole)),
    mutant("M19", Route, ADD, BRIDGE, "a prefix one bit shorter", After(route::shorten_prefix)),
    mutant("M21", Route, ADD, &["route-override"], "a route of delroutes is still there", After(route::keep_deleted)),
    mutant("M23", Route, ADD, PTP, "in the result and not in the kernel", After(route::report_only)),
    mutant("M24", Route, ADD, MACVLAN, "in the kernel and not in the result", After(route::hide)),
    mutant("M26", Link, ADD, BRIDGE, "down", After(link::set_down)),
    mutant("M27", Link, ADD, MACVLAN, "an MTU smaller by 8", After(link::shrink_mtu)),
    mutant("M29", Link, ADD, &["bridge"], "the MAC address of the bridge, in kernel and result", After(link::copy_mac)),
    mutant("M30", Link, ADD, &["macvlan"], "another macvlan mode", After(link::change_mode)),
    mutant("M32", Link, ADD, &["macvlan"], "a veth in its place", After(link::replace_by_veth)),
    mutant("M33", Link, ADD, MACVLAN, "another name", After(link::rename)),
    mutant("M34", Link, ADD, MACVLAN, "on the node", After(link::leave_on_node)),
    mutant("M35", Link, ADD, &["tuning"], "not promiscuous as requested", After(link::unset_promiscuity)),
    mutant("M37", Result, ADD, &["route-override", "tuning"], "no interfaces", After(result::drop_interfaces)),
    mutant("M39", Result, ADD, MACVLAN, "an older version than requested", After(result::age)),
    mutant("M40", Result, ADD, MACVLAN, "no DNS settings", After(result::drop_dns)),
    mutant("M41", Result, ADD, BRIDGE, "another MAC address than the kernel", After(result::change_mac)),
    mutant("M42", Result, ADD, BRIDGE, "an error, with exit code 0", After(result::report_error)),
    mutant("M43", Result, ADD, MACVLAN, "an address twice", After(result::repeat_address)),
    mutant("M45", Node, ADD, MACVLAN, "a route of the node has a metric", After(node::change_route)),
    mutant("M46", Node, ADD, BRIDGE, "forwarding toggled", After(node::toggle_forwarding)),
    mutant("M47", Node, ADD, &["portmap"], "a mapping to the next port", After(firewall::map_other_port)),
    mutant("M48", Node, ADD, &["portmap"], "hostIP ignored", After(firewall::ignore_host_ip)),
    mutant("M49", Node, ADD, &["ptp", "bridge"], "no masquerading", After(firewall::drop_masquerade)),
    mutant("M50", Node, ADD, &["portmap"], "the last rule of POSTROUTING before all others", After(firewall::insert_first)),
    mutant("M51", LifeCycle, DEL, BRIDGE, "DEL does nothing", Around(life_cycle::do_nothing)),
    mutant("M52", LifeCycle, DEL, MACVLAN, "a second DEL fails", Around(life_cycle::fail_when_gone)),
    mutant("M53", LifeCycle, DEL, BRIDGE, "DEL keeps leases", Around(life_cycle::keep_leases)),
    mutant("M54", LifeCycle, DEL, &["ptp", "bridge", "portmap"], "DEL keeps chains of the table nat", Around(life_cycle::keep_chains)),
    mutant("M56", LifeCycle, CHECK, MACVLAN, "CHECK always succeeds", Around(life_cycle::do_nothing)),
    mutant("M57", LifeCycle, CHECK, MACVLAN, "CHECK always fails", Around(life_cycle::fail)),
    mutant("M58", LifeCycle, ADD, &["host-local"], "ADD takes two addresses", Around(life_cycle::add_twice)),
    mutant("M59", LifeCycle, GC, BRIDGE, "GC does nothing", Around(life_cycle::do_nothing)),
    mutant("M60", LifeCycle, STATUS, MACVLAN, "STATUS always succeeds", Around(life_cycle::do_nothing)),
    mutant("M61", Address, ADD, MACVLAN, "an address on another interface of the pod", After(address::add_elsewhere)),
    mutant("M62", Address, ADD, PTP, "no broadcast address", After(address::drop_broadcast)),
    mutant("M63", Address, ADD, BRIDGE, "a label", After(address::label)),
    mutant("M64", Route, ADD, BRIDGE, "in another table", After(route::change_table)),
    mutant("M65", Route, ADD, MACVLAN, "a further route in another table", After(route::add_to_other_table)),
    mutant("M66", Route, ADD, PTP, "without its gateway", After(route::drop_gateway)),
    mutant("M67", Route, ADD, BRIDGE, "the connected route is missing", After(route::remove_connected)),
    mutant("M68", Route, ADD, MACVLAN, "a further route in the result only", After(route::report_extra)),
    mutant("M69", Rule, ADD, MACVLAN, "a blackhole rule", After(rule::add_blackhole)),
    mutant("M70", Rule, ADD, BRIDGE, "a rule to another table", After(rule::add_lookup)),
    mutant("M71", Rule, ADD, MACVLAN, "an IPv6 rule for marked packets", After(rule::add_marked_v6)),
    mutant("M72", Rule, ADD, PTP, "the last rule is missing", After(rule::remove_last)),
    mutant("M73", Link, ADD, MACVLAN, "promiscuous", After(link::set_promiscuity)),
    mutant("M74", Link, ADD, PTP, "receives all multicast", After(link::set_all_multicast)),
    mutant("M75", Link, ADD, BRIDGE, "sends no multicast", After(link::unset_multicast)),
    mutant("M76", Link, ADD, MACVLAN, "ARP is off", After(link::disable_arp)),
    mutant("M77", Link, ADD, MACVLAN, "another queue length", After(link::change_queue_length)),
    mutant("M78", Link, ADD, PTP, "an alias", After(link::set_alias)),
    mutant("M79", Link, ADD, &["bridge"], "its port of the bridge is in hairpin mode", After(link::set_hairpin)),
    mutant("M80", Link, ADD, &["bridge"], "its port of the bridge does not flood", After(link::unset_flood)),
    mutant("M81", Link, ADD, &["bridge"], "its other end is no port of the bridge", After(link::free_port)),
    mutant("M82", Link, ADD, MACVLAN, "another MAC address in the kernel", After(link::change_mac)),
    mutant("M83", Pod, ADD, &["macvlan", "bridge", "ptp", "route-override", "tuning"], "IPv6 is off by sysctl", After(pod::disable_v6)),
    mutant("M84", Pod, ADD, BRIDGE, "a sysctl of the interface", After(pod::change_device_sysctl)),
    mutant("M85", Pod, ADD, &["route-override", "tuning"], "a sysctl of the pod", After(pod::change_sysctl)),
    mutant("M86", Pod, ADD, MACVLAN, "the pod forwards", After(pod::enable_forwarding)),
    mutant("M87", Pod, ADD, PTP, "a permanent neighbour", After(pod::add_neighbour)),
    mutant("M88", Pod, ADD, BRIDGE, "another queueing discipline", After(pod::change_qdisc)),
    mutant("M89", Pod, ADD, MACVLAN, "a packet filter rule", After(pod::add_firewall_rule)),
    mutant("M90", Result, ADD, BRIDGE, "another gateway of the address", After(result::change_gateway)),
    mutant("M91", Result, ADD, MACVLAN, "the interface without its sandbox", After(result::drop_sandbox)),
    mutant("M92", Result, ADD, MACVLAN, "nothing printed", After(result::print_nothing)),
    mutant("M93", Node, ADD, MACVLAN, "a veth pair left", After(node::leave_veth)),
    mutant("M94", Node, ADD, MACVLAN, "a bridge left", After(node::leave_bridge)),
    mutant("M95", Node, ADD, BRIDGE, "a route left", After(node::leave_route)),
    mutant("M96", Node, ADD, PTP, "a rule left", After(node::leave_rule)),
    mutant("M97", Node, ADD, MACVLAN, "a packet filter rule left", After(node::leave_firewall_rule)),
    mutant("M98", Node, ADD, MACVLAN, "a sysctl changed", After(node::change_sysctl)),
    mutant("M99", Node, ADD, &["macvlan"], "the parent's MTU changed", After(node::change_parent_mtu)),
    mutant("M100", Node, ADD, &["macvlan"], "the parent is promiscuous", After(node::change_parent_promiscuity)),
    mutant("M101", Node, ADD, BRIDGE, "the lease removed", After(node::remove_lease)),
    mutant("M102", Node, ADD, BRIDGE, "a lease too many", After(node::add_lease)),
    mutant("M103", Node, ADD, &["tuning", "route-override"], "a file left", After(node::leave_file)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_each_once() {
        let number = |mutant: &Mutant| mutant.id.strip_prefix('M').and_then(|text| text.parse::<u32>().ok());
        let numbers: Vec<u32> = MUTANTS.iter().filter_map(number).collect();
        assert_eq!(numbers.len(), MUTANTS.len());
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }

    #[test]
    fn each_mutant_has_a_command_and_a_plugin() {
        for mutant in MUTANTS {
            assert!(!mutant.commands.is_empty() && !mutant.plugins.is_empty(), "{}", mutant.id);
        }
        assert!(find("M07").is_some() && find("none").is_none());
    }
}
