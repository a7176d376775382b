//! `loopback` (plugins 1.9.1, `plugins/main/loopback`).

use crate::predict::case::PluginCase;
use crate::predict::kernel;
use crate::predict::model::Unpredicted;
use crate::predict::result::{Dns, PredictedInterface, PredictedResult, ReportedAddress};
use crate::predict::world::World;
use crate::state::{FactKind, Subject};
use ipnet::IpNet;

/// ADD sets `lo` up. It gets its addresses from the kernel if it was never up (`inetdev_event`, net/ipv4/devinet.c;
/// `init_loopback`, net/ipv6/addrconf.c).
///
/// # Errors
/// None.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    let was_up = world.is_up(Subject::Pod, "lo");
    world.because("", "loopback sets lo up");
    kernel::set_up(world, Subject::Pod, "lo");
    if !was_up {
        world.because("", "lo gets its addresses (net/ipv4/devinet.c, net/ipv6/addrconf.c)");
        kernel::add_loopback_addresses(world);
    }
    match case.key(&["prevResult"]) {
        Some(_) => world.report(PredictedResult::passed_on(case.earlier())),
        None => report_addresses(world),
    }
    Ok(())
}

/// The result has the first address of each family; which one is the first of several is not reported.
fn report_addresses(world: &mut World<'_>) {
    let keys = world.keys_of_link(Subject::Pod, FactKind::Address, "lo");
    let addresses: Vec<IpNet> = keys.iter().filter_map(|key| key.item.parse().ok()).collect();
    let mut reported = Vec::new();
    for v6 in [false, true] {
        match addresses.iter().filter(|one| one.addr().is_ipv6() == v6).collect::<Vec<_>>()[..] {
            [] => {}
            [address] => {
                let interface = Some("lo".to_owned());
                reported.push((ReportedAddress { address: *address, gateway: None, interface }, String::new()));
            }
            _ => return,
        }
    }
    let interfaces = vec![PredictedInterface::in_pod("lo")];
    let dns = Some((Dns::default(), ""));
    world.report(PredictedResult { interfaces, addresses: reported, routes: Vec::new(), dns });
}

/// DEL sets `lo` down, which removes its IPv6 address and its broadcast route.
///
/// # Errors
/// None.
pub fn del(_case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    world.because("", "loopback sets lo down");
    world.set_attribute(Subject::Pod, "lo", "up", "off");
    for kind in [FactKind::Address, FactKind::Route] {
        for key in world.keys_of_link(Subject::Pod, kind, "lo") {
            let is_v6 = key.item.contains(':');
            let is_broadcast = world.text(Subject::Pod, &key).is_some_and(|value| value.starts_with("broadcast "));
            if is_v6 || is_broadcast {
                world.remove(Subject::Pod, key);
            }
        }
    }
    Ok(())
}
