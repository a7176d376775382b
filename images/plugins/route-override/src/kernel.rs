//! Enters the pod's network namespace, and lists, adds and deletes its routes like the upstream plugin.
//!
//! Upstream lists only routes of the main table, without cloned routes, and selects them by outgoing link. A multipath route
//! has no single link, so it is never found on a link (netlink library v1.0.0, `RouteListFiltered`).

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

/// The error of upstream's library for a route without an address family.
const NO_FAMILY: &str = "one of Dst.IP, Src, or Gw must not be nil";

/// The error of upstream's library if gateway and destination have different families.
const MIXED_FAMILIES: &str = "gateway, source, and destination ip are not the same IP family";

/// A network namespace that is open but not yet entered.
pub struct Namespace {
    file: OwnedFd,
    path: String,
}

impl Namespace {
    /// Opens the namespace at `path`.
    ///
    /// # Errors
    /// A message, if there is no file, or the file is no namespace.
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

    /// Moves this process into the namespace until it ends, and opens a socket there.
    ///
    /// # Errors
    /// 8 if the process is already in that namespace, unless `CNI_NETNS_OVERRIDE` allows it. Otherwise a call from inside
    /// the pod, or a call with the node's own namespace, would change the wrong routes. Newer libraries of the CNI project
    /// (cni v1.2.0) return the same code, but only after the change. 999 if the namespace can't be entered.
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

/// The routes of this process's namespace.
pub struct Kernel {
    netlink: Netlink,
}

impl Kernel {
    /// The index of the link with this name, if there is one.
    pub fn link_index(&mut self, name: &str) -> Option<u32> {
        // The kernel refuses a request with an empty name.
        (!name.is_empty()).then(|| self.netlink.link_index(name).ok()).flatten()
    }

    /// The routes of the main table with this outgoing link, or all of them without a link.
    ///
    /// If upstream does not find a link, it passes none. So for a result that names a missing interface, it lists the routes
    /// of all interfaces.
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
    /// A message. A default route without gateway and source is refused here, because upstream's library refuses it.
    pub fn delete(&mut self, listed: &RouteMessage) -> Result<(), String> {
        if is_default(listed) && gateway(listed).is_none() && !has_source(listed) {
            return Err(NO_FAMILY.to_owned());
        }
        self.netlink.delete_route(listed).map_err(reason)
    }

    /// Adds a route of global scope to the main table, unless it has one with the same destination and metric.
    ///
    /// # Errors
    /// The text of the error number, without the kernel's additional message, as upstream prints it.
    pub fn add(&mut self, route: &Route, index: u32) -> Result<(), String> {
        let destination = match (route.dst, route.gw) {
            (Some(dst), Some(gw)) if dst.addr().is_ipv4() != gw.is_ipv4() => {
                return Err(MIXED_FAMILIES.to_owned());
            }
            (Some(dst), _) => dst,
            (None, Some(gw)) => default_net(gw),
            (None, None) => return Err(NO_FAMILY.to_owned()),
        };
        let mut new = NewRoute::to(destination).link(index);
        if let Some(gw) = route.gw {
            new = new.via(gw);
        }
        self.netlink.add_route(&new, Add::Exclusive).map_err(reason)
    }

    /// The route of a packet to `address`, with all tables and rules.
    ///
    /// # Errors
    /// A message. Without an address it is the kernel's message for an empty destination.
    pub fn route_to(&mut self, address: Option<IpAddr>) -> Result<RouteMessage, String> {
        let address = address.ok_or_else(|| errno_text(Errno::EINVAL))?;
        self.netlink.route_to(address).map_err(reason)
    }
}

/// The destination that contains all addresses of this address's family.
fn default_net(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

/// Whether a listed route is a default route.
pub fn is_default(route: &RouteMessage) -> bool {
    route.header.destination_prefix_length == 0
}

/// Whether a listed route has exactly this destination. Gateways are not compared.
pub fn goes_to(route: &RouteMessage, wanted: &Route) -> bool {
    !is_default(route) && wanted.dst.is_some() && destination(route) == wanted.dst
}

/// Whether flushroutes deletes a listed route: its scope is not link, and it is a default route, or has a gateway and no
/// link-local destination.
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
