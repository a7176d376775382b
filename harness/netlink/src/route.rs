//! Routes: listing of all tables, adding, deleting, and the route that a packet would take.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::address::family;
use crate::error::{Error, Result};
use crate::socket::Netlink;

/// The number of the main table (`linux/rtnetlink.h`).
pub const MAIN_TABLE: u32 = RouteHeader::RT_TABLE_MAIN as u32;

/// The effect of an addition if a route of the same destination and metric exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Add {
    /// Fails with `EEXIST`.
    Exclusive,
    /// Replaces it.
    Replace,
}

/// A route to be added.
#[derive(Debug, Clone)]
pub struct NewRoute {
    destination: IpNet,
    gateway: Option<IpAddr>,
    link: Option<u32>,
    table: u32,
    scope: RouteScope,
    on_link: bool,
    metric: Option<u32>,
    kind: RouteType,
}

impl NewRoute {
    /// A unicast route of global scope and protocol boot in the main table. Host bits of `destination` are sent as
    /// they are; the kernel refuses them for IPv4 (`EINVAL`).
    pub fn to(destination: IpNet) -> Self {
        Self {
            destination,
            gateway: None,
            link: None,
            table: MAIN_TABLE,
            scope: RouteScope::Universe,
            on_link: false,
            metric: None,
            kind: RouteType::Unicast,
        }
    }

    /// The default route by a gateway.
    pub fn default_via(gateway: IpAddr) -> Self {
        let everything = if gateway.is_ipv4() { IpNet::V4(Default::default()) } else { IpNet::V6(Default::default()) };
        Self::to(everything).via(gateway)
    }

    /// Sets the next hop, which must be of the destination's family.
    pub fn via(mut self, gateway: IpAddr) -> Self {
        self.gateway = Some(gateway);
        self
    }

    /// Sets the outgoing link by its index.
    pub fn link(mut self, index: u32) -> Self {
        self.link = Some(index);
        self
    }

    /// Puts the route into this table.
    pub fn table(mut self, table: u32) -> Self {
        self.table = table;
        self
    }

    /// Sets the scope (of IPv4 routes only).
    pub fn scope(mut self, scope: RouteScope) -> Self {
        self.scope = scope;
        self
    }

    /// Marks the next hop as reachable on the link without a route to it.
    pub fn on_link(mut self) -> Self {
        self.on_link = true;
        self
    }

    /// Sets the metric; of two routes to one destination the kernel takes the one with the smaller metric.
    pub fn metric(mut self, metric: u32) -> Self {
        self.metric = Some(metric);
        self
    }

    /// Sets the kind, such as blackhole; unicast otherwise. A blackhole has neither next hop nor link.
    pub fn kind(mut self, kind: RouteType) -> Self {
        self.kind = kind;
        self
    }

    fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = family(self.destination.addr());
        message.header.destination_prefix_length = self.destination.prefix_len();
        message.header.scope = self.scope;
        message.header.protocol = RouteProtocol::Boot;
        message.header.kind = self.kind;
        if self.on_link {
            message.header.flags |= RouteFlags::Onlink;
        }
        let attributes = &mut message.attributes;
        attributes.push(RouteAttribute::Destination(self.destination.addr().into()));
        attributes.extend(self.gateway.map(|address| RouteAttribute::Gateway(address.into())));
        attributes.extend(self.link.map(RouteAttribute::Oif));
        attributes.extend(self.metric.map(RouteAttribute::Priority));
        // The header's field has one byte; the attribute holds any table and wins.
        message.header.table = u8::try_from(self.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
        attributes.push(RouteAttribute::Table(self.table));
        message
    }
}

/// The destination of a listed route with its prefix length; 0.0.0.0/0 or ::/0 for a default route. `None` for a route
/// that is neither IPv4 nor IPv6.
pub fn destination(message: &RouteMessage) -> Option<IpNet> {
    let listed = message.attributes.iter().find_map(pick!(RouteAttribute::Destination(address) => address));
    let address = match (listed.and_then(ip), message.header.address_family) {
        (Some(address), _) => address,
        (None, AddressFamily::Inet) => IpAddr::from([0; 4]),
        (None, AddressFamily::Inet6) => IpAddr::from([0; 16]),
        _ => return None,
    };
    IpNet::new(address, message.header.destination_prefix_length).ok()
}

/// The next hop of a listed route, if it has exactly one and that is of the route's own family.
pub fn gateway(message: &RouteMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(pick!(RouteAttribute::Gateway(address) => address)).and_then(ip)
}

/// The index of a listed route's outgoing link; `None` for multipath, blackhole and the like.
pub fn link(message: &RouteMessage) -> Option<u32> {
    message.attributes.iter().find_map(pick!(RouteAttribute::Oif(index) => *index))
}

/// The table of a listed route.
pub fn table(message: &RouteMessage) -> u32 {
    let listed = message.attributes.iter().find_map(pick!(RouteAttribute::Table(table) => *table));
    listed.unwrap_or_else(|| message.header.table.into())
}

/// A route's address as a type of the standard library.
pub fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

impl Netlink {
    /// All routes of all tables, IPv4 first, each family in the kernel's order.
    pub fn routes(&mut self) -> Result<Vec<RouteMessage>> {
        let mut routes = self.routes_of(AddressFamily::Inet)?;
        routes.extend(self.routes_of(AddressFamily::Inet6)?);
        Ok(routes)
    }

    /// All routes of all tables of one family. A kernel without that family has none.
    pub fn routes_of(&mut self, family: AddressFamily) -> Result<Vec<RouteMessage>> {
        let mut query = RouteMessage::default();
        query.header.address_family = family;
        let answer = self.dump("list routes", RouteNetlinkMessage::GetRoute(query))?;
        // A kernel that lacks the family answers with the routes of all the others.
        Ok(answer
            .into_iter()
            .filter_map(pick!(RouteNetlinkMessage::NewRoute(route) => route))
            .filter(|message| message.header.address_family == family)
            .collect())
    }

    /// Adds a route. For a gateway that is not on a link: `ENETUNREACH` (IPv4), `EHOSTUNREACH` (IPv6).
    pub fn add_route(&mut self, new: &NewRoute, how: Add) -> Result<()> {
        let flags = match how {
            Add::Exclusive => NLM_F_CREATE | NLM_F_EXCL,
            Add::Replace => NLM_F_CREATE | NLM_F_REPLACE,
        };
        let what = format!("add route {}", new.destination);
        self.request(&what, RouteNetlinkMessage::NewRoute(new.message()), flags)
    }

    /// Deletes exactly the route that was listed; `ESRCH` if it is gone.
    pub fn delete_route(&mut self, listed: &RouteMessage) -> Result<()> {
        let what = match destination(listed) {
            Some(destination) => format!("delete route {destination}"),
            None => "delete route".to_owned(),
        };
        self.request(&what, RouteNetlinkMessage::DelRoute(listed.clone()), 0)
    }

    /// The route that a packet to `address` would take, as in `ip route get`; `ENETUNREACH` or `EHOSTUNREACH` if none.
    pub fn route_to(&mut self, address: IpAddr) -> Result<RouteMessage> {
        let mut query = RouteMessage::default();
        query.header.address_family = family(address);
        query.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
        query.attributes.push(RouteAttribute::Destination(address.into()));
        let what = format!("look up the route to {address}");
        let answer = self.query(&what, RouteNetlinkMessage::GetRoute(query))?;
        match answer {
            RouteNetlinkMessage::NewRoute(route) => Ok(route),
            _ => Err(Error::Answer { what, problem: "expected a route".to_owned() }),
        }
    }
}
