//! `tuning` (plugins 1.9.1, `plugins/meta/tuning/tuning.go`).

use crate::chain::go_key;
use crate::predict::case::PluginCase;
use crate::predict::expected::Expected;
use crate::predict::kernel;
use crate::predict::model::Unpredicted;
use crate::predict::result::{PredictedMac, PredictedResult};
use crate::predict::settings::{self, MacSource};
use crate::predict::sysctls;
use crate::predict::world::World;
use crate::state::{FactKey, FactKind, Subject};
use serde_json::Value;

/// The folder of the values to restore (`defaultDataDir`).
const DATA_FOLDER: &str = "/run/cni/tuning";

/// Sysctls whose change has consequences that are not modelled: `disable_ipv6` removes addresses and routes; forwarding and
/// the like change other sysctls.
const WITH_CONSEQUENCES: [&str; 8] = [
    "disable_ipv6",
    "forwarding",
    "ip_forward",
    "addr_gen_mode",
    "stable_secret",
    "ignore_routes_with_linkdown",
    "disable_policy",
    "mtu",
];

/// ADD sets sysctls of the pod and attributes of the interface.
///
/// # Errors
/// What can't be predicted.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    let interface = case.interface();
    for (key, value) in sysctls(case) {
        let path = sysctl_path(&key, interface);
        world.because(format!("sysctl/{key}"), "a sysctl of the pod");
        let name = path.rsplit('/').next().unwrap_or_default();
        if WITH_CONSEQUENCES.contains(&name) {
            return Err(Unpredicted::key(&format!("sysctl/{key}")));
        }
        let device = device_of(&path);
        let key_of_fact = FactKey::new(FactKind::Sysctl, device, path.clone());
        let Some(value) = value.as_str() else { return Err(Unpredicted::value(&format!("sysctl/{key}"))) };
        let known = world.expected(Subject::Pod, &key_of_fact) != Expected::Absent;
        if !known {
            return Err(Unpredicted::key(&format!("sysctl/{key}")));
        }
        let words: Vec<&str> = value.split_whitespace().collect();
        // The kernel reads such a number as octal or hexadecimal (`proc_get_long`, kernel/sysctl.c).
        if words.iter().any(|word| word.len() > 1 && word.trim_start_matches('-').starts_with('0')) {
            return Err(Unpredicted::value(&format!("sysctl/{key}")));
        }
        let value = words.join(" ");
        set_inherited(world, &path, &value);
        world.set_value(Subject::Pod, key_of_fact, value);
    }
    set_attributes(case, world, interface)
}

/// A default of IPv4 or of neighbours is the value of the devices too that have none of their own: which do is not
/// reported (`devinet_copy_dflt_conf`, net/ipv4/devinet.c; `neigh_copy_dflt_parms`, net/core/neighbour.c).
fn set_inherited(world: &mut World<'_>, path: &str, value: &str) {
    let is_inherited = path.starts_with("net/ipv4/conf/default/") || path.contains("/neigh/default/");
    if !is_inherited {
        return;
    }
    let cause = world.therefore("a default of devices without a value of their own (net/ipv4/devinet.c)");
    for link in world.links(Subject::Pod) {
        let item = path.replacen("/default/", &format!("/{link}/"), 1);
        let key = FactKey::new(FactKind::Sysctl, link, item);
        if let Some(old) = world.text(Subject::Pod, &key) {
            world.set(Subject::Pod, key, Expected::OneOf(vec![value.to_owned(), old]));
        }
    }
    world.return_to(cause);
}

/// The sysctls of the configuration; those of `args.cni` replace them one by one.
fn sysctls(case: &PluginCase<'_>) -> Vec<(String, Value)> {
    let mut all = std::collections::BTreeMap::new();
    for path in [&["sysctl"][..], &["args", "cni", "sysctl"]] {
        let listed = case.key(path).and_then(Value::as_object).into_iter().flatten();
        all.extend(listed.map(|(key, value)| (key.clone(), value.clone())));
    }
    all.into_iter().collect()
}

/// The file of a sysctl below `/proc/sys` (`getSysctlFilename`): every dot is a slash.
fn sysctl_path(key: &str, interface: &str) -> String {
    key.replace('.', "/").replacen("IFNAME", interface, 1)
}

/// The device of a path such as `net/ipv4/conf/eth1/arp_filter`; empty for a sysctl of no device.
fn device_of(path: &str) -> &str {
    let mut parts = path.split('/').skip(2);
    match (parts.next(), parts.next()) {
        (Some("conf" | "neigh"), Some(device)) => device,
        _ => "",
    }
}

fn set_attributes(case: &PluginCase<'_>, world: &mut World<'_>, interface: &str) -> Result<(), Unpredicted> {
    let sources = [MacSource::Args, MacSource::Runtime, MacSource::Environment, MacSource::Configuration];
    // An empty text in `args.cni` switches the others off.
    let is_off = case.key(&["args", "cni", "mac"]).is_some_and(|mac| mac == "");
    let mac = settings::mac(case, if is_off { &[] } else { &sources })?;
    report(case, world, mac.as_ref());
    let value = |name: &str| case.key(&["args", "cni", name]).or_else(|| case.key(&[name]));
    let promiscuous = value("promisc").and_then(Value::as_bool).unwrap_or(false);
    let mtu = value("mtu").and_then(Value::as_u64).filter(|mtu| *mtu != 0);
    let multicast = value("allmulti").and_then(Value::as_bool);
    let queue = value("txQLen").and_then(Value::as_u64);
    if mac.is_some() || promiscuous || mtu.is_some() || multicast.is_some() || queue.is_some() {
        let folder = case.text(&["dataDir"]).unwrap_or(DATA_FOLDER);
        world.because("", "the values before are kept for DEL (createBackup)");
        world.set(Subject::Node, backup_file(folder, case), Expected::Some);
    }
    if let Some((mac, key)) = mac {
        world.because(key, "the interface's MAC address");
        world.set_attribute(Subject::Pod, interface, "mac", mac);
    }
    if promiscuous {
        world.because("promisc", "the interface is promiscuous");
        kernel::switch_counted(world, interface, "promiscuity", true);
    }
    if let Some(mtu) = mtu {
        world.because("mtu", "the interface's MTU");
        let mtu = u32::try_from(mtu).map_err(|_| Unpredicted::value("mtu"))?;
        let old = world.attribute(Subject::Pod, interface, "mtu").and_then(|mtu| mtu.parse::<u32>().ok());
        // IPv6 leaves the interface with its sysctls, addresses and routes, or comes to it.
        if mtu.min(old.unwrap_or(mtu)) < sysctls::V6_MIN_MTU {
            return Err(Unpredicted::key("mtu"));
        }
        kernel::set_mtu(world, Subject::Pod, interface, mtu);
    }
    if let Some(on) = multicast {
        world.because("allmulti", "the interface receives all multicast");
        kernel::switch_counted(world, interface, "allmulti", on);
    }
    if let Some(queue) = queue {
        world.because("txQLen", "the interface's queue length");
        world.set_attribute(Subject::Pod, interface, "txqueuelen", queue.to_string());
    }
    Ok(())
}

/// The result before, with the MAC address of the interface changed (`updateResultsMacAddr`).
fn report(case: &PluginCase<'_>, world: &mut World<'_>, mac: Option<&(String, &'static str)>) {
    let mut result = PredictedResult::passed_on(case.earlier());
    for interface in result.interfaces.iter_mut().filter(|one| one.name.as_deref() == Some(case.interface())) {
        if let Some((mac, key)) = mac {
            (interface.mac, interface.key) = (PredictedMac::Text(mac.clone()), (*key).to_owned());
        }
    }
    world.report(result);
}

fn backup_file(folder: &str, case: &PluginCase<'_>) -> FactKey {
    let name = format!("{}/{}_{}.json", settings::folder(folder), case.container_id(), case.interface());
    FactKey::new(FactKind::File, "", name)
}

/// DEL restores the attributes from the file, and removes it. Sysctls stay as they are.
///
/// # Errors
/// What can't be predicted.
pub fn del(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    let file = backup_file(case.text(&["dataDir"]).unwrap_or(DATA_FOLDER), case);
    let Some(text) = world.text(Subject::Node, &file) else { return Ok(()) };
    let Ok(Value::Object(kept)) = serde_json::from_str::<Value>(&text) else { return Ok(()) };
    let interface = case.interface();
    if !world.has_link(Subject::Pod, interface) {
        return Ok(());
    }
    world.because("", "DEL restores the values before (restoreBackup)");
    let mut set = |attribute: &str, value: String| world.set_attribute(Subject::Pod, interface, attribute, value);
    if let Some(mac) = go_key(&kept, "mac").and_then(Value::as_str) {
        set("mac", mac.to_owned());
    }
    if let Some(queue) = go_key(&kept, "txQLen").and_then(Value::as_u64) {
        set("txqueuelen", queue.to_string());
    }
    if let Some(mtu) = go_key(&kept, "mtu").and_then(Value::as_u64).and_then(|mtu| u32::try_from(mtu).ok()) {
        kernel::set_mtu(world, Subject::Pod, interface, mtu);
    }
    for (key, attribute) in [("promisc", "promiscuity"), ("allmulti", "allmulti")] {
        if let Some(on) = go_key(&kept, key).and_then(Value::as_bool) {
            kernel::switch_counted(world, interface, attribute, on);
        }
    }
    world.remove(Subject::Node, file);
    Ok(())
}
