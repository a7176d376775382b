//! Which kinds of links this kernel makes. Each is made in a network namespace that is then thrown away: the kernel takes
//! all of them with it at once, where deleting one by one costs some 10 ms each. Even so its end holds up whoever makes
//! links elsewhere for as long, so the caller decides when that is.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use plumbline_core::protocol::Probed;
use plumbline_netlink::packet::RouteNetlinkMessage;
use plumbline_netlink::packet::link::{
    InfoBridge, InfoData, InfoKind, IpVlanMode, LinkAttribute, LinkInfo, LinkMessage, MacVlanMode,
};
use plumbline_netlink::{LinkKind, Netlink, NewLink, namespace};

/// Parent of what needs one.
const PARENT: &str = "parent0";

/// The flags of a request that makes something new (`NLM_F_CREATE | NLM_F_EXCL`, `linux/netlink.h`).
const NEW: u16 = 0x400 | 0x200;

/// What was seen, or why it is not there.
type Tried = Result<String, String>;

/// Each capability as tried.
type All = Vec<(&'static str, Tried)>;

/// Tries all, by capability name. The namespace goes with the descriptor.
#[must_use]
pub fn all() -> (BTreeMap<String, Probed>, Option<OwnedFd>) {
    let (tried, used) = match throwaway() {
        Ok((tried, used)) => (tried, Some(used)),
        Err(cause) => {
            let links = ["veth", "bridge", "macvlan"];
            (links.map(|name| (name, Err(cause.clone()))).to_vec(), None)
        }
    };
    let probed = tried.into_iter().map(|(name, tried)| match tried {
        Ok(seen) => (name.to_owned(), Probed { there: true, seen }),
        Err(seen) => (name.to_owned(), Probed { there: false, seen }),
    });
    (probed.collect(), used)
}

fn throwaway() -> Result<(All, OwnedFd), String> {
    let text = |error: plumbline_netlink::Error| error.to_string();
    let home = namespace::current().map_err(text)?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| format!("make a network namespace: {errno}"))?;
    let tried = namespace::current().and_then(|used| Ok((each(&mut Netlink::open()?), used))).map_err(text);
    namespace::enter(home).map_err(text)?;
    tried
}

fn each(netlink: &mut Netlink) -> All {
    let mut tried = vec![
        ("veth", made(netlink, &NewLink::veth("veth0", "veth1"))),
        ("bridge", made(netlink, &NewLink::new("bridge0", LinkKind::Bridge))),
        ("bridge-vlan-filtering", filtering(netlink)),
        ("dummy", made(netlink, &NewLink::new("dummy-0", LinkKind::Dummy))),
        ("vrf", made(netlink, &NewLink::new("vrf0", LinkKind::Vrf { table: 10 }))),
        ("ifb", made(netlink, &NewLink::new("ifb-0", LinkKind::Plain("ifb".to_owned())))),
        ("ipv6", there("/proc/sys/net/ipv6", "this kernel has no IPv6")),
        ("tun", there("/dev/net/tun", "the node has no such device")),
        (
            "policy-routing",
            netlink.rules().map(|_| "rules can be listed".to_owned()).map_err(|error| error.to_string()),
        ),
    ];
    let parent = netlink
        .add_link(&NewLink::veth(PARENT, "parent1"))
        .or_else(|_| netlink.add_link(&NewLink::new(PARENT, LinkKind::Bridge)))
        .and_then(|()| netlink.link_index(PARENT))
        .map_err(|error| format!("no parent to try it on: {error}"));
    let mut on_parent = |name: &str, kind: &dyn Fn(u32) -> LinkKind<'static>| match &parent {
        Ok(parent) => made(netlink, &NewLink::new(name, kind(*parent))),
        Err(cause) => Err(cause.clone()),
    };
    // ipvlan and macvlan can't share a parent (`netdev_rx_handler_register`), so ipvlan has one of its own below.
    tried.push(("macvlan", on_parent("macvlan0", &|parent| LinkKind::Macvlan { parent, mode: MacVlanMode::Bridge })));
    tried.push(("vlan", on_parent("vlan0", &|parent| LinkKind::Vlan { parent, id: 100 })));
    let other = netlink.link_index("parent1").or_else(|_| netlink.link_index("veth1"));
    tried.push((
        "ipvlan",
        match other {
            Ok(parent) => made(netlink, &NewLink::new("ipvlan0", LinkKind::Ipvlan { parent, mode: IpVlanMode::L2 })),
            Err(error) => Err(format!("no parent to try it on: {error}")),
        },
    ));
    tried
}

fn made(netlink: &mut Netlink, new: &NewLink) -> Tried {
    netlink.add_link(new).map(|()| "a link of it was made".to_owned()).map_err(|error| error.to_string())
}

/// A kernel without VLAN filtering refuses the wish or takes it and forgets it (`br_changelink`), so it is read back.
fn filtering(netlink: &mut Netlink) -> Tried {
    let mut message = LinkMessage::default();
    let data = InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)]);
    let info = vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(data)];
    message.attributes = vec![LinkAttribute::IfName("filter0".to_owned()), LinkAttribute::LinkInfo(info)];
    netlink
        .request("make a bridge with VLAN filtering", RouteNetlinkMessage::NewLink(message), NEW)
        .map_err(|error| error.to_string())?;
    let read = netlink.link("filter0").map_err(|error| error.to_string())?;
    let on = read.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(parts) => parts.iter().any(|part| match part {
            LinkInfo::Data(InfoData::Bridge(data)) => data.contains(&InfoBridge::VlanFiltering(true)),
            _ => false,
        }),
        _ => false,
    });
    match on {
        true => Ok("a bridge with VLAN filtering was made".to_owned()),
        false => Err("the kernel made the bridge without VLAN filtering".to_owned()),
    }
}

fn there(path: &str, lack: &str) -> Tried {
    match Path::new(path).exists() {
        true => Ok(format!("{path} is there")),
        false => Err(format!("{path}: {lack}")),
    }
}
