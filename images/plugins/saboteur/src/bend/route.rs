//! Routes of the pod.

use crate::call::{Call, Done, Problem};
use ipnet::IpNet;
use plumbline_netlink::packet::route::{RouteMessage, RouteScope, RouteType};
use plumbline_netlink::{Add, NewRoute, route};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};

/// Destination, gateway and link of the route that is bent.
fn read(call: &mut Call) -> Done<(RouteMessage, IpNet, IpAddr, u32)> {
    let message = call.route()?;
    let parts = (route::destination(&message), route::gateway(&message), route::link(&message));
    let (Some(to), Some(via), Some(index)) = parts else { return Err(Problem::failed("no route with a gateway")) };
    Ok((message, to, via, index))
}

fn replace(call: &mut Call, old: &RouteMessage, new: &NewRoute) -> Done {
    call.pod()?.delete_route(old)?;
    Ok(call.pod()?.add_route(new, Add::Exclusive)?)
}

fn drop_from_result(call: &mut Call, to: IpNet) -> Done {
    let to = Value::from(to.to_string());
    let routes = call.result_routes();
    let before = routes.len();
    routes.retain(|entry| entry["dst"] != to);
    if routes.len() == before { Err(Problem::failed(format!("the result has no route {to}"))) } else { Ok(()) }
}

/// A route is missing in kernel and result.
pub fn remove(call: &mut Call) -> Done {
    let (message, to, ..) = read(call)?;
    call.pod()?.delete_route(&message)?;
    drop_from_result(call, to)
}

/// A route has the next address as its gateway.
pub fn change_gateway(call: &mut Call) -> Done {
    let (message, to, via, index) = read(call)?;
    let IpAddr::V4(old) = via else { return Err(Problem::failed("no IPv4 gateway")) };
    let other = Ipv4Addr::from(u32::from(old).wrapping_add(1));
    replace(call, &message, &NewRoute::to(to).via(other.into()).link(index).on_link())
}

/// A route leads through another interface of the pod.
pub fn change_device(call: &mut Call) -> Done {
    let (message, to, via, _) = read(call)?;
    let (other, _) = call.other_interface()?;
    replace(call, &message, &NewRoute::to(to).via(via).link(other).on_link())
}

/// A route has another metric.
pub fn change_metric(call: &mut Call) -> Done {
    let (message, to, via, index) = read(call)?;
    replace(call, &message, &NewRoute::to(to).via(via).link(index).metric(1))
}

/// A default route that was not requested.
pub fn add_default(call: &mut Call) -> Done {
    let (_, _, via, index) = read(call)?;
    Ok(call.pod()?.add_route(&NewRoute::default_via(via).link(index).metric(500), Add::Exclusive)?)
}

/// A blackhole in a route's place.
pub fn make_blackhole(call: &mut Call) -> Done {
    let (message, to, ..) = read(call)?;
    replace(call, &message, &NewRoute::to(to).kind(RouteType::BlackHole))
}

/// A route has a shorter prefix.
pub fn shorten_prefix(call: &mut Call) -> Done {
    let (message, to, via, index) = read(call)?;
    let wider = to.supernet().ok_or_else(|| Problem::failed("a default route can't be wider"))?;
    replace(call, &message, &NewRoute::to(wider).via(via).link(index))
}

/// route-override leaves a route that it was to delete.
pub fn keep_deleted(call: &mut Call) -> Done {
    let deleted = call.config["delroutes"][0]["dst"].as_str().and_then(|text| text.parse::<IpNet>().ok());
    let deleted = deleted.ok_or_else(|| Problem::failed("no delroutes"))?;
    let (_, _, via, index) = read(call)?;
    Ok(call.pod()?.add_route(&NewRoute::to(deleted).via(via).link(index), Add::Exclusive)?)
}

/// A route is in the result and not in the kernel.
pub fn report_only(call: &mut Call) -> Done {
    let (message, ..) = read(call)?;
    Ok(call.pod()?.delete_route(&message)?)
}

/// A route is in the result that was not requested, and not in the kernel.
pub fn report_extra(call: &mut Call) -> Done {
    let (_, _, via, _) = read(call)?;
    call.result_routes().push(json!({ "dst": "203.0.113.0/24", "gw": via.to_string() }));
    Ok(())
}

/// A route is in the kernel and not in the result.
pub fn hide(call: &mut Call) -> Done {
    let (_, to, ..) = read(call)?;
    drop_from_result(call, to)
}

/// A route is in another table.
pub fn change_table(call: &mut Call) -> Done {
    let (message, to, via, index) = read(call)?;
    replace(call, &message, &NewRoute::to(to).via(via).link(index).table(100))
}

/// A route that was not requested is in another table.
pub fn add_to_other_table(call: &mut Call) -> Done {
    let (_, _, via, index) = read(call)?;
    let extra = IpNet::V4("203.0.113.0/24".parse().unwrap_or_default());
    Ok(call.pod()?.add_route(&NewRoute::to(extra).via(via).link(index).table(100), Add::Exclusive)?)
}

/// A route has no gateway: its destination counts as on the link.
pub fn drop_gateway(call: &mut Call) -> Done {
    let (message, to, _, index) = read(call)?;
    replace(call, &message, &NewRoute::to(to).link(index).scope(RouteScope::Link))
}

/// The connected route of the address is missing.
pub fn remove_connected(call: &mut Call) -> Done {
    let (index, own) = (call.index()?, call.address(false)?);
    let listed = call.pod()?.routes()?;
    let is_connected = |one: &&RouteMessage| {
        route::destination(one) == Some(own.trunc())
            && route::link(one) == Some(index)
            && route::table(one) == route::MAIN_TABLE
    };
    let connected = listed.iter().find(is_connected).ok_or_else(|| Problem::failed("no connected route"))?;
    Ok(call.pod()?.delete_route(connected)?)
}
