//! CHECK: asks the namespace whether the routes of the previous result are in force.
//!
//! It follows upstream's in what it takes for in force: a lookup of the destination must give the expected gateway, over
//! all interfaces; a default must be the only one of its family; and a destination of delroutes must be out of reach,
//! which it never is in a pod with a default route.

use std::net::IpAddr;

use plumbline_netlink::packet::route::RouteMessage;
use plumbline_netlink::route::{destination, gateway, link, table};

use crate::config::Config;
use crate::kernel::{Kernel, Namespace};
use crate::result::{CniResult, or_nil};
use plumbline_plugin::{Code, Failure};

/// Holds the configuration's previous result against the namespace at `netns`.
///
/// # Errors
/// 999 with the first thing found wrong; 8 if the namespace is the plugin's own.
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
    compare(result, &mut kernel).map_err(failed)
}

fn compare(result: &CniResult, kernel: &mut Kernel) -> Result<(), String> {
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
        if route.gw.is_none() && !of_an_address(result, found) {
            return Err(format!("route-override: cannot find gateway <nil> in result: {}", or_nil(found)));
        }
    }
    Ok(())
}

/// A route without a gateway of its own may have that of any address, or none if any address has none.
fn of_an_address(result: &CniResult, found: Option<IpAddr>) -> bool {
    result.ips.iter().any(|ip| ip.gateway == found)
}

fn describe(routes: &[RouteMessage]) -> String {
    let one = |route: &RouteMessage| {
        format!(
            "{{Ifindex: {} Dst: {} Gw: {} Table: {}}}",
            link(route).unwrap_or_default(),
            destination(route).map_or("<nil>".to_owned(), |dst| dst.to_string()),
            or_nil(gateway(route)),
            table(route)
        )
    };
    format!("[{}]", routes.iter().map(one).collect::<Vec<_>>().join(" "))
}
