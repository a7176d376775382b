//! The capabilities of this node, found by trying: kinds of links, and packet filter rules.
//!
//! Everything is made in a temporary network namespace: its end removes all links at once, while deleting one by
//! one takes some 10 ms each. The end of a namespace delays all changes of links on the host, so the caller chooses the
//! moment.
//!
//! A rule is made by the program that plugins and kube-proxy start for it. Without the program, no plugin can make such a
//! rule on the node.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use plumbline_core::cni::Exit;
use plumbline_core::plan::VIRTIO_ENI;
use plumbline_core::protocol::{PROGRAM_NOT_STARTED, Probed};
use plumbline_netlink::bridge::filters_vlans;
use plumbline_netlink::packet::RouteNetlinkMessage;
use plumbline_netlink::packet::link::{
    InfoBridge, InfoData, InfoKind, IpVlanMode, LinkAttribute, LinkInfo, LinkMessage, MacVlanMode,
};
use plumbline_netlink::{LinkKind, Netlink, NewLink, namespace};

use crate::error::{During, EndError, RequestError};
use crate::input::Input;
use crate::namespaces::named::{run_in_new_namespace, run_inside};
use crate::node::eni::count_free_pairs;
use crate::process::{Job, ProcessResult, Processes};

/// The parent of links that need one.
const PARENT: &str = "parent0";

/// The flags of a request that makes something new (`NLM_F_CREATE | NLM_F_EXCL`, `linux/netlink.h`).
const NEW: u16 = 0x400 | 0x200;

/// The finding of a trial, or why the capability is missing.
type TrialResult = Result<String, String>;

/// The result of each trial, by capability.
type TrialResults = Vec<(&'static str, TrialResult)>;

/// Tries everything, by capability. Dropping the returned descriptor ends the namespace of the trials. `outside` is the
/// namespace of a virtual machine's paired interfaces.
///
/// # Errors
/// The agent cannot return to its namespace, or cannot run programs.
pub fn probe_capabilities(
    outside: Option<&OwnedFd>,
) -> Result<(BTreeMap<String, Probed>, Option<OwnedFd>), RequestError> {
    let (results, namespace) = match try_links() {
        Ok((results, namespace)) => (results, Some(namespace)),
        Err(RequestError::Fault { action, cause, .. }) => {
            let cause = format!("{action}: {cause}");
            (["veth", "bridge", "macvlan"].map(|name| (name, Err(cause.clone()))).to_vec(), None)
        }
        Err(end) => return Err(end),
    };
    let mut probed: BTreeMap<String, Probed> =
        results.into_iter().map(|(name, result)| (name.to_owned(), to_probed(result))).collect();
    if let Some(namespace) = &namespace {
        // `probe-host` closes its end before the reply and needs the results; each trial has a deadline.
        let mut processes = Processes::new(Input::ignored()).map_err(EndError::from)?;
        let running =
            run_inside(namespace, "enter the namespace of the trials", || Ok(processes.start(&rule_jobs())?))?;
        probed.extend(read_rule_results(&processes.finish(running)?));
    }
    let pairs = count_free_pairs(outside);
    let seen = pairs.map(|count| format!("{count} free pairs of virtio interfaces")).map_err(|error| error.to_string());
    probed.insert(VIRTIO_ENI.to_owned(), to_probed(seen));
    Ok((probed, namespace))
}

fn to_probed(result: TrialResult) -> Probed {
    let there = result.is_ok();
    Probed { there, seen: result.unwrap_or_else(|cause| cause) }
}

/// Tries each kind of link in a new namespace; returns the namespace too.
fn try_links() -> Result<(TrialResults, OwnedFd), RequestError> {
    let action = "try kinds of links";
    run_in_new_namespace(action, || {
        let namespace = namespace::current().during(action)?;
        let mut netlink = Netlink::open().during(action)?;
        Ok((try_each_kind(&mut netlink), namespace))
    })
}

fn try_each_kind(netlink: &mut Netlink) -> TrialResults {
    let mut tried = vec![
        ("veth", try_link(netlink, &NewLink::veth("veth0", "veth1"))),
        ("bridge", try_link(netlink, &NewLink::new("bridge0", LinkKind::Bridge))),
        ("bridge-vlan-filtering", try_vlan_filtering(netlink)),
        ("dummy", try_link(netlink, &NewLink::new("dummy-0", LinkKind::Dummy))),
        ("vrf", try_link(netlink, &NewLink::new("vrf0", LinkKind::Vrf { table: 10 }))),
        ("ifb", try_link(netlink, &NewLink::new("ifb-0", LinkKind::Plain("ifb".to_owned())))),
        ("ipv6", check_path("/proc/sys/net/ipv6", "this kernel has no IPv6")),
        ("tun", check_path("/dev/net/tun", "no such device")),
        (
            "policy-routing",
            netlink.rules().map(|_| "rules can be listed".to_owned()).map_err(|error| error.to_string()),
        ),
    ];
    let parent = netlink
        .add_link(&NewLink::veth(PARENT, "parent1"))
        .or_else(|_| netlink.add_link(&NewLink::new(PARENT, LinkKind::Bridge)))
        .and_then(|()| netlink.link_index(PARENT))
        .map_err(|error| format!("make a parent link: {error}"));
    let mut on_parent = |name: &str, kind: &dyn Fn(u32) -> LinkKind<'static>| match &parent {
        Ok(parent) => try_link(netlink, &NewLink::new(name, kind(*parent))),
        Err(cause) => Err(cause.clone()),
    };
    // ipvlan and macvlan cannot share a parent (`netdev_rx_handler_register`), so ipvlan has another one below.
    tried.push(("macvlan", on_parent("macvlan0", &|parent| LinkKind::Macvlan { parent, mode: MacVlanMode::Bridge })));
    tried.push(("vlan", on_parent("vlan0", &|parent| LinkKind::Vlan { parent, id: 100 })));
    let other = netlink.link_index("parent1").or_else(|_| netlink.link_index("veth1"));
    let other = other.map_err(|error| format!("make a parent link: {error}"));
    let ipvlan = |parent| NewLink::new("ipvlan0", LinkKind::Ipvlan { parent, mode: IpVlanMode::L2 });
    tried.push(("ipvlan", other.and_then(|parent| try_link(netlink, &ipvlan(parent)))));
    tried
}

fn try_link(netlink: &mut Netlink, new: &NewLink) -> TrialResult {
    netlink.add_link(new).map(|()| "link created".to_owned()).map_err(|error| error.to_string())
}

/// A kernel without VLAN filtering refuses the flag or ignores it (`br_changelink`), so it is read back.
fn try_vlan_filtering(netlink: &mut Netlink) -> TrialResult {
    let mut message = LinkMessage::default();
    let data = InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)]);
    let info = vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(data)];
    message.attributes = vec![LinkAttribute::IfName("filter0".to_owned()), LinkAttribute::LinkInfo(info)];
    netlink
        .request("make a bridge with VLAN filtering", RouteNetlinkMessage::NewLink(message), NEW)
        .map_err(|error| error.to_string())?;
    let read = netlink.link("filter0").map_err(|error| error.to_string())?;
    match filters_vlans(&read) {
        true => Ok("bridge with VLAN filtering created".to_owned()),
        false => Err("the kernel created the bridge without VLAN filtering".to_owned()),
    }
}

fn check_path(path: &str, lack: &str) -> TrialResult {
    match Path::new(path).exists() {
        true => Ok(format!("{path} exists")),
        false => Err(format!("{path}: {lack}")),
    }
}

/// A rule takes milliseconds; a kernel on an emulated processor that loads modules for it takes longer.
const DEADLINE: Duration = Duration::from_secs(10);

const STDOUT_CAP_BYTES: usize = 64 * 1024;

/// Capability, command, standard input. The addresses are for documentation (RFC 5737).
const RULE_TRIALS: [(&str, &str, &str); 6] = [
    // By JSON, as the bridge plugin does for `macspoofchk`.
    ("nftables", "nft -j -f -", r#"{"nftables":[{"add":{"table":{"family":"bridge","name":"probe"}}}]}"#),
    (
        "nftables-fib",
        "nft -f -",
        "table ip probe {\n  chain in {\n    type filter hook prerouting priority 0;\n    fib daddr type local accept\n  }\n}\n",
    ),
    ("connmark", "iptables -w 5 -t mangle -A PREROUTING -j CONNMARK --set-mark 1", ""),
    (
        "iptables-nat",
        "iptables -w 5 -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL -m multiport --destination-ports 1 \
         -m comment --comment probe -j DNAT --to-destination 192.0.2.1:80",
        "",
    ),
    ("ip6tables-nat", "ip6tables -w 5 -t nat -A POSTROUTING -m mark --mark 1/1 -j MASQUERADE", ""),
    ("ipvs", "ipvsadm -A -t 192.0.2.1:80 -s rr", ""),
];

/// The trials, to be started inside a namespace of their own.
fn rule_jobs() -> Vec<Job> {
    RULE_TRIALS.iter().map(|(_, line, stdin)| Job::from_line(line, stdin, DEADLINE, STDOUT_CAP_BYTES)).collect()
}

/// The results of the trials, by capability.
fn read_rule_results(results: &[ProcessResult]) -> BTreeMap<String, Probed> {
    let each = RULE_TRIALS.iter().zip(results).map(|((name, command, _), result)| {
        let program = command.split(' ').next().unwrap_or_default();
        ((*name).to_owned(), read_rule_result(program, result))
    });
    each.collect()
}

fn read_rule_result(program: &str, result: &ProcessResult) -> Probed {
    if let Some(error) = &result.start_error {
        return Probed { there: false, seen: format!("{program}{PROGRAM_NOT_STARTED}{error}") };
    }
    if result.exit == Exit::Code(0) {
        return Probed { there: true, seen: format!("{program} rule created") };
    }
    let stderr = String::from_utf8_lossy(&result.stderr);
    let seen = match stderr.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => format!("{program}: {line}"),
        None => format!("{program} ended with {:?} without a message", result.exit),
    };
    Probed { there: false, seen }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(exit: Exit, stderr: &str) -> ProcessResult {
        ProcessResult {
            exit,
            stdout: Vec::new(),
            stderr: stderr.as_bytes().to_vec(),
            flooded: false,
            start_error: None,
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn every_command_is_one_line_without_empty_arguments() {
        for job in rule_jobs() {
            assert!(job.program.argv.iter().all(|word| !word.is_empty() && !word.contains('\n')), "{:?}", job.program);
        }
    }

    #[test]
    fn a_capability_needs_a_rule_that_was_made() {
        let refused = result(Exit::Code(1), "\n  Can't initialize ipvs: Protocol not available\nAre you sure?\n");
        let absent =
            ProcessResult { start_error: Some(std::io::ErrorKind::NotFound.into()), ..result(Exit::Code(127), "") };
        let fine = || result(Exit::Code(0), "a warning");
        let read = read_rule_results(&[fine(), fine(), absent, fine(), fine(), refused]);
        let names = ["connmark", "ip6tables-nat", "iptables-nat", "ipvs", "nftables", "nftables-fib"];
        assert_eq!(read.keys().collect::<Vec<_>>(), names);
        assert!(read["nftables-fib"].there, "{read:?}");
        assert_eq!(read["connmark"].seen, "iptables cannot be started on the node: entity not found");
        assert_eq!(read["ipvs"].seen, "ipvsadm: Can't initialize ipvs: Protocol not available");
        assert!(!read["connmark"].there && !read["ipvs"].there);
        let killed = read_rule_result("nft", &result(Exit::Signal(9), ""));
        assert_eq!((killed.there, killed.seen.as_str()), (false, "nft ended with Signal(9) without a message"));
    }
}
