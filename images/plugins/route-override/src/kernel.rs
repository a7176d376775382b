//! The pod's network namespace: entering it, and its routes as the upstream plugin sees them.
//!
//! "As upstream sees them" means: the main table alone, cloned routes left out, and by outgoing link; a multipath route
//! has none, so it is never found on a link (netlink library v1.0.0, `RouteListFiltered`).

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use ipnet::IpNet;
use nix::sys::statfs::{NSFS_MAGIC, PROC_SUPER_MAGIC, fstatfs};
use plumbline_netlink::packet::AddressFamily;
use plumbline_netlink::packet::route::{RouteFlags, RouteMessage, RouteScope};
use plumbline_netlink::route::{MAIN_TABLE, destination, gateway, link, table};
use plumbline_netlink::{Add, Errno, Error, Netlink, NewRoute, errno_text, namespace};

use crate::result::Route;
use plumbline_plugin::{Code, Failure};

/// What upstream's library answers where nothing tells the family of a route.
const NOTHING_GIVEN: &str = "one of Dst.IP, Src, or Gw must not be nil";

/// The same where gateway and destination are of different families.
const MIXED: &str = "gateway, source, and destination ip are not the same IP family";

/// A network namespace that was opened and not yet entered.
pub struct Namespace {
    file: OwnedFd,
    path: String,
}

impl Namespace {
    /// Opens the namespace at `path`.
    ///
    /// # Errors
    /// In words, if there is nothing, or something that is no namespace.
    pub fn open(path: &str) -> Result<Self, String> {
        let cannot = |reason: &str| format!("failed to open netns {path:?}: {reason}");
        let file =
            namespace::open(path).map_err(|error| cannot(&error.errno().map_or(error.to_string(), errno_text)))?;
        let kind = fstatfs(&file).map_err(|errno| cannot(&errno_text(errno)))?.filesystem_type();
        if kind != NSFS_MAGIC && kind != PROC_SUPER_MAGIC {
            return Err(cannot("not a namespace's file"));
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// Moves this program into the namespace, for the rest of its life, and opens a socket there.
    ///
    /// # Errors
    /// 8 if the program is in that namespace already, unless `CNI_NETNS_OVERRIDE` allows it: whoever calls a plugin from
    /// inside the pod, or gives it the node's own namespace, would have the wrong routes changed. Newer libraries of the
    /// CNI project (cni v1.2.0) answer the same, but after the work was done. 999 if the namespace can't be entered.
    pub fn enter(self) -> Result<Kernel, Failure> {
        let failed = |error: Error| Failure::new(Code::Internal, format!("{}: {error}", self.path));
        let allowed =
            std::env::var("CNI_NETNS_OVERRIDE").is_ok_and(|value| value == "1" || value.eq_ignore_ascii_case("true"));
        let current = namespace::current().map_err(failed)?;
        if !allowed && namespace::same(&current, &self.file).map_err(failed)? {
            let message = "plugin's netns and netns from CNI_NETNS should not be the same";
            return Err(Failure::with_details(Code::Namespace, message, self.path));
        }
        namespace::enter(&self.file).map_err(failed)?;
        Ok(Kernel { netlink: Netlink::open().map_err(failed)? })
    }
}

/// The routes of the namespace that this program is in.
pub struct Kernel {
    netlink: Netlink,
}

impl Kernel {
    /// The index of the link of this name, if there is one.
    pub fn link_index(&mut self, name: &str) -> Option<u32> {
        // An empty name is no name; asked for, the kernel would complain about the question.
        (!name.is_empty()).then(|| self.netlink.link_index(name).ok()).flatten()
    }

    /// The routes of the main table that leave by this link, or all of them if none is given.
    ///
    /// Upstream gives none where it did not find the link, so a result that names a missing interface has the routes of
    /// all interfaces looked at.
    pub fn routes(&mut self, index: Option<u32>) -> Result<Vec<RouteMessage>, Error> {
        let mut listed = self.netlink.routes()?;
        listed.retain(|route| {
            table(route) == MAIN_TABLE
                && !route.header.flags.contains(RouteFlags::Cloned)
                && (index.is_none() || link(route) == index)
        });
        Ok(listed)
    }

    /// The default routes of one family in the main table.
    pub fn defaults(&mut self, ipv4: bool) -> Result<Vec<RouteMessage>, Error> {
        let family = if ipv4 { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let mut listed = self.routes(None)?;
        listed.retain(|route| is_default(route) && route.header.address_family == family);
        Ok(listed)
    }

    /// Deletes a listed route.
    ///
    /// # Errors
    /// In words. A default route without gateway and source is refused here, since upstream's library refuses it.
    pub fn delete(&mut self, listed: &RouteMessage) -> Result<(), String> {
        if is_default(listed) && gateway(listed).is_none() && !has_source(listed) {
            return Err(NOTHING_GIVEN.to_owned());
        }
        self.netlink.delete_route(listed).map_err(reason)
    }

    /// Adds a route of global scope to the main table, if none of the same destination and metric is there.
    ///
    /// # Errors
    /// In words, without the kernel's further sentence, as upstream prints them.
    pub fn add(&mut self, route: &Route, index: u32) -> Result<(), String> {
        let destination = match (route.dst, route.gw) {
            (Some(dst), Some(gw)) if dst.addr().is_ipv4() != gw.is_ipv4() => {
                return Err(MIXED.to_owned());
            }
            (Some(dst), _) => dst,
            (None, Some(gw)) => everything(gw),
            (None, None) => return Err(NOTHING_GIVEN.to_owned()),
        };
        let mut new = NewRoute::to(destination).link(index);
        if let Some(gw) = route.gw {
            new = new.via(gw);
        }
        self.netlink.add_route(&new, Add::Exclusive).map_err(reason)
    }

    /// The route that a packet to `address` takes, over all tables and rules.
    ///
    /// # Errors
    /// In words; `no destination` for none is what the kernel says to an empty one.
    pub fn route_to(&mut self, address: Option<IpAddr>) -> Result<RouteMessage, String> {
        let address = address.ok_or_else(|| errno_text(Errno::EINVAL))?;
        self.netlink.route_to(address).map_err(reason)
    }
}

/// The destination that holds all addresses of this address's family.
fn everything(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

/// Whether a listed route is a default route.
pub fn is_default(route: &RouteMessage) -> bool {
    route.header.destination_prefix_length == 0
}

/// Whether a listed route goes to exactly this destination, gateways not looked at.
pub fn goes_to(route: &RouteMessage, wanted: &Route) -> bool {
    !is_default(route) && wanted.dst.is_some() && destination(route) == wanted.dst
}

/// Whether flushroutes takes a listed route: no scope of link; a default, or gatewayed and not to link-local addresses.
pub fn is_flushed(route: &RouteMessage) -> bool {
    if route.header.scope == RouteScope::Link {
        return false;
    }
    let link_local = match destination(route).map(|net| net.addr()) {
        Some(IpAddr::V4(address)) => address.is_link_local(),
        Some(IpAddr::V6(address)) => address.is_unicast_link_local(),
        None => true,
    };
    is_default(route) || (!link_local && gateway(route).is_some())
}

fn has_source(route: &RouteMessage) -> bool {
    use plumbline_netlink::packet::route::RouteAttribute;
    route.attributes.iter().any(|attribute| matches!(attribute, RouteAttribute::PrefSource(_)))
}

fn reason(error: Error) -> String {
    error.errno().map_or_else(|| error.to_string(), errno_text)
}
