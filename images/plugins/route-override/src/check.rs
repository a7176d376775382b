//! CHECK: checks that the namespace has the routes of the previous result.
//!
//! The criteria are upstream's:
//! - a route lookup of the destination must return the expected gateway, on any interface;
//! - a default route must be the only one of its family;
//! - a destination of delroutes must be unreachable, which is never true in a pod with a default route.

use std::net::IpAddr;

use plumbline_netlink::packet::route::RouteMessage;
use plumbline_netlink::route::{destination, gateway, link, table};

use crate::config::Config;
use crate::kernel::{Kernel, Namespace};
use crate::result::{CniResult, or_nil};
use plumbline_plugin::{Code, Failure};

/// Compares the configuration's previous result with the namespace at `netns`.
///
/// # Errors
/// 999 with the first difference; 8 if the namespace is the plugin's own.
pub fn check(config: &Config, netns: &str) -> Result<(), Failure> {
    let failed = |error: String| Failure::new(Code::Internal, error);
    if config.skip_check {
        return Ok(());
    }
    let Some(result) = &config.previous else {
        return Err(failed("Required prevResult missing".to_owned()));
    };
    let mut kernel = Namespace::open(netns).map_err(failed)?.enter()?;
    for route in &config.del_routes {
        if kernel.route_to(route.dst.map(|dst| dst.addr())).is_ok() {
            return Err(failed(format!("route-override: route is not removed: {route}")));
        }
    }
    compare_routes(result, &mut kernel).map_err(failed)
}

fn compare_routes(result: &CniResult, kernel: &mut Kernel) -> Result<(), String> {
    for route in &result.routes {
        let found = match route.dst.map(|dst| dst.addr()) {
            Some(address) if address.is_unspecified() => {
                kernel.defaults(address.is_ipv4()).map_err(|error| error.to_string())?
            }
            address => vec![kernel.route_to(address)?],
        };
        let [found] = found.as_slice() else {
            return Err(format!("route-override: got multiple routes: {}", describe(&found)));
        };
        let found = gateway(found);
        if route.gw.is_some() && route.gw != found {
            return Err(format!("route-override: failed to match route: {route} {}", or_nil(found)));
        }
        if route.gw.is_none() && !has_gateway(result, found) {
            return Err(format!("route-override: cannot find gateway <nil> in result: {}", or_nil(found)));
        }
    }
    Ok(())
}

/// Whether an address of the result has this gateway. A route without a gateway may have the gateway of any address, or
/// none if an address has none.
fn has_gateway(result: &CniResult, found: Option<IpAddr>) -> bool {
    result.ips.iter().any(|ip| ip.gateway == found)
}

fn describe(routes: &[RouteMessage]) -> String {
    let describe_route = |route: &RouteMessage| {
        format!(
            "{{Ifindex: {} Dst: {} Gw: {} Table: {}}}",
            link(route).unwrap_or_default(),
            destination(route).map_or("<nil>".to_owned(), |dst| dst.to_string()),
            or_nil(gateway(route)),
            table(route)
        )
    };
    format!("[{}]", routes.iter().map(describe_route).collect::<Vec<_>>().join(" "))
}
