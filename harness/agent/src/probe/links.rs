//! Which kinds of links this kernel makes. Each is made and deleted in a network namespace that is thrown away.

use std::collections::BTreeMap;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use plumbline_core::protocol::Probed;
use plumbline_netlink::packet::RouteNetlinkMessage;
use plumbline_netlink::packet::link::{
    InfoBridge, InfoData, InfoKind, IpVlanMode, LinkAttribute, LinkInfo, LinkMessage, MacVlanMode,
};
use plumbline_netlink::{LinkKind, Netlink, NewLink, namespace};

/// The name of whatever is made.
const NAME: &str = "probe0";

/// Parent of what needs one.
const PARENT: &str = "parent0";

/// The flags of a request that makes something new (`NLM_F_CREATE | NLM_F_EXCL`, `linux/netlink.h`).
const NEW: u16 = 0x400 | 0x200;

type Tried = Result<String, String>;

/// Tries all, by capability name.
#[must_use]
pub fn all() -> BTreeMap<String, Probed> {
    let tried = match throwaway() {
        Ok(tried) => tried,
        Err(cause) => vec![("veth", Err(cause.clone())), ("bridge", Err(cause.clone())), ("macvlan", Err(cause))],
    };
    let probed = tried.into_iter().map(|(name, tried)| match tried {
        Ok(seen) => (name.to_owned(), Probed { there: true, seen }),
        Err(seen) => (name.to_owned(), Probed { there: false, seen }),
    });
    probed.collect()
}

fn throwaway() -> Result<Vec<(&'static str, Tried)>, String> {
    let text = |error: plumbline_netlink::Error| error.to_string();
    let home = namespace::current().map_err(text)?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| format!("make a network namespace: {errno}"))?;
    let tried = Netlink::open().map(|mut netlink| each(&mut netlink)).map_err(text);
    // The socket is closed by now, so the namespace goes with this thread's leaving.
    namespace::enter(home).map_err(text)?;
    tried
}

fn each(netlink: &mut Netlink) -> Vec<(&'static str, Tried)> {
    let mut tried = vec![
        ("veth", made(netlink, &NewLink::veth(NAME, "probe1"))),
        ("bridge", made(netlink, &NewLink::new(NAME, LinkKind::Bridge))),
        ("bridge-vlan-filtering", filtering(netlink)),
        ("dummy", made(netlink, &NewLink::new(NAME, LinkKind::Dummy))),
        ("vrf", made(netlink, &NewLink::new(NAME, LinkKind::Vrf { table: 10 }))),
        ("ifb", made(netlink, &NewLink::new(NAME, LinkKind::Plain("ifb".to_owned())))),
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
    let mut on_parent = |kind: &dyn Fn(u32) -> LinkKind<'static>| match &parent {
        Ok(parent) => made(netlink, &NewLink::new(NAME, kind(*parent))),
        Err(cause) => Err(cause.clone()),
    };
    tried.push(("macvlan", on_parent(&|parent| LinkKind::Macvlan { parent, mode: MacVlanMode::Bridge })));
    tried.push(("vlan", on_parent(&|parent| LinkKind::Vlan { parent, id: 100 })));
    tried.push(("ipvlan", on_parent(&|parent| LinkKind::Ipvlan { parent, mode: IpVlanMode::L2 })));
    tried
}

/// Makes a link and deletes it again.
fn made(netlink: &mut Netlink, new: &NewLink) -> Tried {
    netlink.add_link(new).map_err(|error| error.to_string())?;
    netlink.link_index(NAME).and_then(|index| netlink.delete_link(index)).map_err(|error| error.to_string())?;
    Ok("a link of it was made and deleted".to_owned())
}

/// A kernel without VLAN filtering takes the wish and forgets it (`br_changelink`), so it is read back.
fn filtering(netlink: &mut Netlink) -> Tried {
    let mut message = LinkMessage::default();
    let data = InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)]);
    let info = vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(data)];
    message.attributes = vec![LinkAttribute::IfName(NAME.to_owned()), LinkAttribute::LinkInfo(info)];
    netlink
        .request("make a bridge with VLAN filtering", RouteNetlinkMessage::NewLink(message), NEW)
        .map_err(|error| error.to_string())?;
    let read = netlink.link(NAME).map_err(|error| error.to_string())?;
    netlink.delete_link(read.header.index).map_err(|error| error.to_string())?;
    let on = read.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(parts) => parts.iter().any(|part| match part {
            LinkInfo::Data(InfoData::Bridge(data)) => data.contains(&InfoBridge::VlanFiltering(true)),
            _ => false,
        }),
        _ => false,
    });
    match on {
        true => Ok("a bridge with VLAN filtering was made and deleted".to_owned()),
        false => Err("the kernel made the bridge without VLAN filtering".to_owned()),
    }
}

fn there(path: &str, lack: &str) -> Tried {
    match Path::new(path).exists() {
        true => Ok(format!("{path} is there")),
        false => Err(format!("{path}: {lack}")),
    }
}
