//! `route-override` (openshift/route-override-cni, `cmd/route-override/route-override.go`). The model says what the
//! configuration means: a route to be added is there afterwards. The release does not fail where the kernel refuses one.

use crate::predict::case::PluginCase;
use crate::predict::ipam::{read_route, reported_route};
use crate::predict::kernel::{self, Route};
use crate::predict::model::Unpredicted;
use crate::predict::result::PredictedResult;
use crate::predict::world::World;
use crate::state::{FactKey, FactKind, Subject};
use ipnet::IpNet;
use std::net::IpAddr;

/// ADD deletes and adds routes of the interface of the result.
///
/// # Errors
/// What can't be predicted.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    let mut links = sandbox_links(case);
    // Results of 0.1.0 and 0.2.0 name no interface, and the release then changes nothing. The configuration means that of the
    // call.
    if case.key(&["prevResult", "ip4"]).or(case.key(&["prevResult", "ip6"])).is_some() {
        links.push(case.interface().to_owned());
    }
    let Some(first) = links.first().cloned() else { return Err(Unpredicted::value("prevResult/interfaces")) };
    let setting = |name: &'static str| {
        let path = ["args", "cni", name];
        case.key(&path)
            .map(|value| (value, format!("args/cni/{name}")))
            .or_else(|| case.key(&[name]).map(|v| (v, name.to_owned())))
    };
    let is_on = |name| setting(name).is_some_and(|(value, _)| value == true);
    let routes = |name: &'static str| -> Result<Vec<(Route, String)>, Unpredicted> {
        let Some((value, key)) = setting(name) else { return Ok(Vec::new()) };
        let listed = value.as_array().map_or(&[][..], Vec::as_slice).iter().enumerate();
        listed
            .map(|(index, route)| (route, format!("{key}/{index}")))
            .map(|(route, key)| Ok((read_route(route, &key)?, key)))
            .collect()
    };
    let mut result = PredictedResult::passed_on(case.earlier());
    if is_on("flushgateway") {
        // The gateways of all addresses are zeros then.
        for (address, key) in &mut result.addresses {
            let zero: IpAddr = if address.address.addr().is_ipv4() { [0; 4].into() } else { [0; 16].into() };
            (address.gateway, *key) = (Some(zero), "flushgateway".to_owned());
        }
        result.routes.retain(|(route, _)| route.to.prefix_len() != 0);
    }
    if is_on("flushroutes") {
        result.routes.clear();
        for link in &links {
            world.because("flushroutes", "routes with a gateway are deleted");
            flush_routes(world, link);
        }
    } else {
        let known = previous_destinations(case);
        for (route, key) in routes("delroutes")? {
            result.routes.retain(|(reported, _)| reported.to != route.to);
            // Only routes that the result before lists are deleted.
            if known.contains(&route.to) && route.to.prefix_len() != 0 {
                world.because(key, "the route is deleted");
                links.iter().for_each(|link| delete_routes_to(world, link, route.to));
            }
        }
    }
    if is_on("flushgateway") {
        for link in &links {
            world.because("flushgateway", "default routes of the interface are deleted");
            for all in ["0.0.0.0/0", "::/0"] {
                if let Ok(to) = all.parse() {
                    delete_routes_to(world, link, to);
                }
            }
        }
    }
    for (route, key) in routes("addroutes")? {
        result.routes.push((reported_route(&route), key.clone()));
        world.because(key, "the route is added");
        let via = route.via.filter(|via| !via.is_unspecified());
        kernel::add_route(world, Subject::Pod, &first, &Route::new(route.to, via), false);
    }
    world.report(result);
    Ok(())
}

/// The interfaces of the result before that are in the pod.
fn sandbox_links(case: &PluginCase<'_>) -> Vec<String> {
    let in_pod = case.earlier().interfaces.iter().filter(|interface| !interface.sandbox.is_empty());
    in_pod.map(|interface| interface.name.clone()).collect()
}

fn previous_destinations(case: &PluginCase<'_>) -> Vec<IpNet> {
    case.earlier().routes.iter().map(|route| route.to).collect()
}

/// The routes of the main table through a link: key and destination.
fn main_routes(world: &World<'_>, link: &str) -> Vec<(FactKey, IpNet)> {
    let keys = world.keys_of_link(Subject::Pod, FactKind::Route, link).into_iter();
    let main = keys.filter(|key| !key.item.contains(" table "));
    main.filter_map(|key| Some((key.clone(), key.item.split(' ').next()?.parse().ok()?))).collect()
}

fn delete_routes_to(world: &mut World<'_>, link: &str, to: IpNet) {
    for (key, destination) in main_routes(world, link) {
        if destination == to {
            world.remove(Subject::Pod, key);
        }
    }
}

/// Routes with a gateway, and defaults; those of link scope stay.
fn flush_routes(world: &mut World<'_>, link: &str) {
    for (key, destination) in main_routes(world, link) {
        let value = world.text(Subject::Pod, &key).unwrap_or_default();
        let has_gateway = value.contains(" via ") && !crate::observe::is_v6_link_local(destination.addr());
        if !value.contains("scope link") && (has_gateway || destination.prefix_len() == 0) {
            world.remove(Subject::Pod, key);
        }
    }
}

/// DEL does nothing.
///
/// # Errors
/// None.
pub fn del(_case: &PluginCase<'_>, _world: &mut World<'_>) -> Result<(), Unpredicted> {
    Ok(())
}
