//! ADD: deletes routes, adds routes, and changes the result accordingly.
//!
//! The order is upstream's:
//! 1. clear the result's gateways (flushgateway);
//! 2. flush the interfaces' routes (flushroutes), or else delete those routes of the result that delroutes names;
//! 3. delete default routes (flushgateway);
//! 4. add routes.
//!
//! ADD continues when the kernel refuses a change.

use std::io::{Write, stderr};

use plumbline_netlink::packet::route::RouteMessage;
use serde_json::Value;

use crate::config::Config;
use crate::kernel::{Kernel, Namespace, goes_to, is_default, is_flushed};
use crate::result::{CniResult, Route};
use plumbline_plugin::{Code, Failure};

/// The interface whose routes are deleted if the previous result has no list of interfaces.
const FALLBACK: &str = "eth0";

/// Applies the configuration in the namespace at `netns`, and returns the result to print.
///
/// # Errors
/// 999 if the namespace can't be opened or entered. 8 if it is the plugin's own. 7 where upstream panics: without a previous
/// result, or with routes to add and no interface to add them to (after the deletions).
pub fn add(config: Config, netns: &str) -> Result<Value, Failure> {
    let failed = |error: String| Failure::new(Code::Internal, format!("failed to override routes: {error}"));
    let namespace = Namespace::open(netns).map_err(failed)?;
    let Some(mut result) = config.previous else {
        let message = "no prevResult: route-override changes what a plugin before it in the chain has made, \
                       so it can't be the first or only one";
        return Err(Failure::new(Code::Config, message));
    };
    let mut kernel = namespace.enter()?;
    for key in &config.unsupported {
        print_warning(&format!("{key} is not supported by plumbline's route-override and was ignored"));
    }
    if config.flush_gateway {
        for ip in &mut result.ips {
            ip.gateway = Some(ip.unspecified());
        }
    }
    if config.flush_routes {
        flush(&mut kernel, &sandbox_links(&result, false), is_flushed);
        result.routes.clear();
    } else {
        let mut kept = Vec::new();
        for route in std::mem::take(&mut result.routes) {
            match find_deletion(&config.del_routes, config.flush_gateway, &route) {
                Some(wanted) => delete(&mut kernel, &result, &wanted),
                None => kept.push(route),
            }
        }
        result.routes = kept;
    }
    if config.flush_gateway {
        flush(&mut kernel, &sandbox_links(&result, true), is_default);
    }
    add_routes(&mut kernel, &mut result, config.add_routes)?;
    result.write(&config.version).map_err(|error| Failure::new(Code::Internal, error))
}

/// The entry of delroutes with the destination of a route of the result. Gateways are not compared. With flushgateway
/// the two default destinations count as entries.
fn find_deletion(del_routes: &[Route], flush_gateway: bool, route: &Route) -> Option<Route> {
    let listed = del_routes.iter().find(|entry| entry.dst == route.dst).cloned();
    let default = flush_gateway && route.dst.is_some_and(|dst| dst.prefix_len() == 0 && dst.addr().is_unspecified());
    listed.or_else(|| default.then_some(Route { dst: route.dst, gw: None }))
}

/// The names of the result's interfaces in the sandbox. With `fallback`, a result without a list has eth0.
fn sandbox_links(result: &CniResult, fallback: bool) -> Vec<String> {
    match &result.interfaces {
        Some(interfaces) => {
            let inside = interfaces.iter().filter(|interface| !interface.sandbox.is_empty());
            inside.map(|interface| interface.name.clone()).collect()
        }
        None => fallback.then(|| FALLBACK.to_owned()).into_iter().collect(),
    }
}

/// Deletes from each of these interfaces the routes that `takes` selects, and returns the outcome of the last deletion.
fn delete_from(kernel: &mut Kernel, names: &[String], takes: &dyn Fn(&RouteMessage) -> bool) -> Result<(), String> {
    let mut last = Ok(());
    for name in names {
        let index = kernel.link_index(name);
        match kernel.routes(index) {
            Ok(routes) => {
                for route in routes.iter().filter(|route| takes(route)) {
                    last = kernel.delete(route);
                }
            }
            Err(error) => last = Err(error.to_string()),
        }
    }
    last
}

/// flushroutes and flushgateway. A route that can't be deleted stays, without a message.
fn flush(kernel: &mut Kernel, names: &[String], takes: fn(&RouteMessage) -> bool) {
    let _ = delete_from(kernel, names, &takes);
}

/// delroutes, for one route of the result.
fn delete(kernel: &mut Kernel, result: &CniResult, wanted: &Route) {
    let outcome = delete_from(kernel, &sandbox_links(result, true), &|route| goes_to(route, wanted));
    if let Err(reason) = outcome {
        print_warning(&format!("failed to delete route {wanted}: {reason}"));
    }
}

/// addroutes. Each route is in the result, even if the kernel refuses it.
fn add_routes(kernel: &mut Kernel, result: &mut CniResult, wanted: Vec<Route>) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    let Some(name) = sandbox_links(result, false).into_iter().next() else {
        let message = "addroutes: the previous result has no interface with a sandbox to add routes to";
        return Err(Failure::new(Code::Config, message));
    };
    let Some(index) = kernel.link_index(&name) else {
        let message = format!("addroutes: interface {name} of the previous result is not in the namespace");
        return Err(Failure::new(Code::Config, message));
    };
    for route in wanted {
        if let Err(reason) = kernel.add(&route, index) {
            print_warning(&format!("failed to add route: {route}: {reason}"));
        }
        result.routes.push(route);
    }
    Ok(())
}

/// Writes one line on standard error; a closed stream is ignored.
fn print_warning(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
