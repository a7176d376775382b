//! Rules for names and numbers that a scenario writes in its own fields.

use ipnet::IpNet;
use std::net::IpAddr;

/// Longest interface name, in bytes (Linux `IFNAMSIZ` less the final zero).
const MAX_IFNAME: usize = 15;

/// A name fit for a Kubernetes object, a DNS label (RFC 1123): at most 63 of `a-z`, `0-9`, `-`, ends alphanumeric.
///
/// # Errors
/// What is wrong with it.
pub fn label(name: &str) -> Result<(), String> {
    let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if name.is_empty() {
        return Err("an empty name".to_owned());
    }
    if name.len() > 63 {
        return Err(format!("a name of {} characters; at most 63 are allowed", name.len()));
    }
    let inner = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !inner || !alphanumeric(name.chars().next()) || !alphanumeric(name.chars().last()) {
        return Err(format!(
            "`{name}` is no name for a Kubernetes object: lower-case letters, digits and `-`, alphanumeric at both ends"
        ));
    }
    Ok(())
}

/// The name of an object, a DNS subdomain (RFC 1123): labels joined by dots, at most 253 characters in all.
///
/// # Errors
/// What is wrong with it.
pub fn object(name: &str) -> Result<(), String> {
    if name.len() > 253 {
        return Err(format!("a name of {} characters; at most 253 are allowed", name.len()));
    }
    let is_part = |part: &str| label(part).is_ok();
    match name.split('.').all(is_part) {
        true => Ok(()),
        false => label(name),
    }
}

/// An interface name (CNI `pkg/utils.ValidateInterfaceName`; Linux `dev_valid_name`).
///
/// # Errors
/// What is wrong with it.
pub fn interface(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("an empty interface name".to_owned());
    }
    if name.len() > MAX_IFNAME {
        return Err(format!("interface name `{name}` has {} characters; at most {MAX_IFNAME} are allowed", name.len()));
    }
    if name == "." || name == ".." {
        return Err(format!("`{name}` is no interface name"));
    }
    match name.chars().find(|c| matches!(c, '/' | ':') || c.is_whitespace() || c.is_control()) {
        Some(c) => Err(format!("interface name `{name}` holds {c:?}")),
        None => Ok(()),
    }
}

/// The name of a scenario: labels joined by `/`, as its file's path below `scenarios/` would be.
///
/// # Errors
/// What is wrong with it.
pub fn scenario(name: &str) -> Result<(), String> {
    if name.len() > 120 {
        return Err("a scenario name of more than 120 characters".to_owned());
    }
    name.split('/').try_for_each(label).map_err(|error| format!("scenario name: {error}"))
}

/// The name of an axis of a matrix, as expressions write it.
///
/// # Errors
/// What is wrong with it.
pub fn axis(name: &str) -> Result<(), String> {
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match is_word && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= 63 {
        true => Ok(()),
        false => Err(format!("`{name}` is no name of an axis: a lower-case letter, then letters, digits and `_`")),
    }
}

/// The name of a value of an axis, as it appears in the name of a case.
///
/// # Errors
/// What is wrong with it.
pub fn axis_value(name: &str) -> Result<(), String> {
    let is_fit = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    match is_fit && name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.len() <= 63 {
        true => Ok(()),
        false => Err(format!(
            "`{name}` can't be part of a case's name: letters, digits, `.`, `_` and `-`, alphanumeric at the beginning; give the value a name: `NAME: VALUE`"
        )),
    }
}

/// An address with its prefix length.
///
/// # Errors
/// What is wrong with it.
pub fn address(text: &str) -> Result<IpNet, String> {
    let net: IpNet = match text.split_once('/') {
        None => return Err(format!("`{text}` has no prefix length, such as `/24`")),
        Some((address, length)) => {
            let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is no IP address"))?;
            let length: u8 = length.parse().map_err(|_| format!("`/{length}` is no prefix length"))?;
            IpNet::new(address, length).map_err(|_| format!("`/{length}` is too long for {address}"))?
        }
    };
    refuse_mapped(text, net.addr()).map(|_| net)
}

fn refuse_mapped(text: &str, ip: IpAddr) -> Result<IpAddr, String> {
    match ip {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Err(format!("`{text}` is an IPv4-mapped IPv6 address; write it as IPv4"))
        }
        ip => Ok(ip),
    }
}

/// Whether no single machine or interface can have an address.
fn is_special(ip: IpAddr) -> bool {
    ip.is_multicast() || ip.is_loopback() || ip.is_unspecified()
}

/// An address that an interface of a pod can have: no multicast, loopback or unspecified one.
///
/// # Errors
/// What is wrong with it.
pub fn pod_address(text: &str) -> Result<IpNet, String> {
    let net = address(text)?;
    if is_special(net.addr()) {
        return Err(format!("`{text}` can't be an interface's address"));
    }
    Ok(net)
}

/// A network: `10.0.0.0/8`, without host bits; `default` and `default6` for the two default routes.
///
/// # Errors
/// What is wrong with it.
pub fn network(text: &str) -> Result<IpNet, String> {
    let net = match text {
        "default" => address("0.0.0.0/0")?,
        "default6" => address("::/0")?,
        _ => address(text)?,
    };
    if net.addr() != net.network() {
        return Err(format!("`{text}` has host bits; the network is `{}`", net.trunc()));
    }
    Ok(net)
}

/// One IP address.
///
/// # Errors
/// What is wrong with it.
pub fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no IP address"))
}

/// A MAC address of a network interface, given back in lower case: six bytes, neither all zero nor multicast.
///
/// # Errors
/// What is wrong with it.
pub fn mac(text: &str) -> Result<String, String> {
    let byte = |part: &str| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok()).flatten();
    let bytes = text.split([':', '-']).map(byte).collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() == 6);
    match bytes {
        None => Err(format!("`{text}` is no MAC address of six bytes")),
        Some(bytes) if bytes.iter().all(|byte| *byte == 0) => Err(format!("`{text}` is all zero")),
        Some(bytes) if bytes[0] & 1 == 1 => Err(format!("`{text}` is a multicast address")),
        Some(bytes) => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")),
    }
}

/// A VLAN id: 1 to 4094 (IEEE 802.1Q keeps 0 for "no VLAN" and 4095 back).
///
/// # Errors
/// What is wrong with it.
pub fn vlan(id: i64) -> Result<u16, String> {
    u16::try_from(id).ok().filter(|id| (1..=4094).contains(id)).ok_or_else(|| format!("VLAN {id}; 1 to 4094 are there"))
}

/// Priority bits of a VLAN tag (PCP, IEEE 802.1Q).
///
/// # Errors
/// What is wrong with them.
pub fn priority(bits: i64) -> Result<u8, String> {
    u8::try_from(bits).ok().filter(|bits| *bits <= 7).ok_or_else(|| format!("priority {bits}; 0 to 7 are there"))
}

/// A port of UDP or TCP.
///
/// # Errors
/// What is wrong with it.
pub fn port(port: i64) -> Result<u16, String> {
    u16::try_from(port).ok().filter(|port| *port > 0).ok_or_else(|| format!("port {port}; 1 to 65535 are there"))
}

/// An address that packets can be sent to, or come from: no multicast, loopback or unspecified one, no IPv4-mapped
/// IPv6 address.
///
/// # Errors
/// What is wrong with it.
pub fn host_ip(text: &str) -> Result<IpAddr, String> {
    let ip = ip(text)?;
    if is_special(ip) {
        return Err(format!("`{text}` is no address of a single machine"));
    }
    refuse_mapped(text, ip)
}
