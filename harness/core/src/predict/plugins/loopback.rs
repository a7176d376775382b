//! `loopback` (plugins 1.9.1, `plugins/main/loopback`).

use crate::predict::case::PluginCase;
use crate::predict::kernel;
use crate::predict::model::Unpredicted;
use crate::predict::world::World;
use crate::state::{FactKind, Subject};

/// ADD sets `lo` up. It gets its addresses from the kernel if it was never up (`inetdev_event`, net/ipv4/devinet.c;
/// `init_loopback`, net/ipv6/addrconf.c).
///
/// # Errors
/// None.
pub fn add(_case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    let was_up = world.is_up(Subject::Pod, "lo");
    world.because("", "loopback sets lo up");
    kernel::set_up(world, Subject::Pod, "lo");
    if !was_up {
        world.because("", "lo gets its addresses (net/ipv4/devinet.c, net/ipv6/addrconf.c)");
        kernel::add_loopback_addresses(world);
    }
    Ok(())
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
