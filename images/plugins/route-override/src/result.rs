//! Reads the result of the plugins before this one, and writes it in the configuration's CNI version.
//!
//! It keeps the fields of CNI 0.1.0 to 1.0.0. It drops others, such as 1.1.0's `mtu` of an interface and `priority` of a
//! route, like the upstream plugin's libraries (cni v1.1.2).

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, json};

/// The CNI versions that a configuration may have.
pub const VERSIONS: [&str; 6] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];

/// The three formats of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// 0.1.0 and 0.2.0: one address of each family, no interfaces.
    Two,
    /// 0.3.0 to 0.4.0: lists; an address has a field with its IP version.
    Four,
    /// 1.0.0: lists.
    Ten,
}

impl Shape {
    fn of(version: &str) -> Option<Self> {
        match version {
            "" | "0.1.0" | "0.2.0" => Some(Self::Two),
            "0.3.0" | "0.3.1" | "0.4.0" => Some(Self::Four),
            "1.0.0" => Some(Self::Ten),
            _ => None,
        }
    }
}

/// A route: its destination and its next hop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Route {
    /// The destination with its host bits as written. A route without a destination is a default route of its gateway's
    /// family, and its destination is written as `<nil>`.
    #[serde(default, deserialize_with = "prefix")]
    pub dst: Option<IpNet>,
    /// The next hop.
    #[serde(default, deserialize_with = "address")]
    pub gw: Option<IpAddr>,
}

impl Route {
    fn to_json(&self) -> Value {
        let mut object = json!({ "dst": self.dst.map_or("<nil>".to_owned(), |dst| dst.to_string()) });
        if let Some(gw) = self.gw {
            object["gw"] = json!(gw);
        }
        object
    }
}

/// The text of Go's formatter, which users know from their runtime's log:
/// `{Dst:{IP:10.0.0.0 Mask:ff000000} GW:10.9.9.9}`.
impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self.dst {
            Some(dst) => write!(formatter, "{{Dst:{{IP:{} Mask:{}}}", dst.addr(), hex_mask(dst))?,
            None => write!(formatter, "{{Dst:{{IP:<nil> Mask:<nil>}}")?,
        }
        write!(formatter, " GW:{}}}", or_nil(self.gw))
    }
}

fn hex_mask(net: IpNet) -> String {
    let bytes = match net.netmask() {
        IpAddr::V4(mask) => mask.octets().to_vec(),
        IpAddr::V6(mask) => mask.octets().to_vec(),
    };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An address, or Go's text for none.
pub fn or_nil(address: Option<IpAddr>) -> String {
    address.map_or("<nil>".to_owned(), |address| address.to_string())
}

/// An interface that a plugin created.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Interface {
    /// Its name in its namespace.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    mac: String,
    /// The pod's namespace, or a container's id; empty for an interface on the node.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
}

/// An address that a plugin assigned to an interface.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Address {
    #[serde(default)]
    interface: Option<i64>,
    #[serde(rename = "address", alias = "ip", deserialize_with = "needed_prefix")]
    net: IpNet,
    /// The subnet's gateway.
    #[serde(default, deserialize_with = "address")]
    pub gateway: Option<IpAddr>,
    /// The routes, in results of 0.2.0 and older.
    #[serde(default, deserialize_with = "nullable")]
    routes: Vec<Route>,
}

impl Address {
    /// The unspecified address of this address's family.
    pub fn unspecified(&self) -> IpAddr {
        match self.net {
            IpNet::V4(_) => IpAddr::from([0; 4]),
            IpNet::V6(_) => IpAddr::from([0; 16]),
        }
    }

    fn is_ipv4(&self) -> bool {
        matches!(self.net, IpNet::V4(_))
    }

    fn to_json(&self, shape: Shape) -> Value {
        let mut object = match shape {
            Shape::Two => json!({ "ip": self.net }),
            Shape::Four => json!({ "address": self.net, "version": if self.is_ipv4() { "4" } else { "6" } }),
            Shape::Ten => json!({ "address": self.net }),
        };
        if let (Some(index), false) = (self.interface, shape == Shape::Two) {
            object["interface"] = json!(index);
        }
        if let Some(gateway) = self.gateway {
            object["gateway"] = json!(gateway);
        }
        object
    }
}

/// Name servers and search domains, passed on unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Dns {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    nameservers: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    domain: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    search: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    options: Vec<String>,
}

/// A result of any version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CniResult {
    /// The interfaces; `None` if the result has no such list. Then upstream assumes that the interface is eth0.
    pub interfaces: Option<Vec<Interface>>,
    /// The addresses.
    pub ips: Vec<Address>,
    /// The routes.
    pub routes: Vec<Route>,
    dns: Dns,
}

/// All fields of all formats, with keys in lower case.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Raw {
    #[serde(deserialize_with = "nullable")]
    cniversion: String,
    interfaces: Option<Vec<Interface>>,
    #[serde(deserialize_with = "nullable")]
    ips: Vec<Address>,
    #[serde(deserialize_with = "nullable")]
    routes: Vec<Route>,
    ip4: Option<Address>,
    ip6: Option<Address>,
    #[serde(deserialize_with = "nullable")]
    dns: Dns,
}

impl CniResult {
    /// Reads the previous result of a configuration of this version; `value` has its keys in lower case.
    ///
    /// # Errors
    /// A message, if a field has the wrong type, or if the result's own version has another format.
    pub fn read(version: &str, value: Value) -> Result<Self, String> {
        let shape = Shape::of(version).ok_or(format!("unsupported CNI result version {version:?}"))?;
        let raw = Raw::deserialize(value).map_err(|error| error.to_string())?;
        let own = raw.cniversion;
        // Only the oldest format may have no version.
        if Shape::of(&own) != Some(shape) || (own.is_empty() && shape != Shape::Two) {
            return Err(format!("the result has cniVersion {own:?}, the configuration {version:?}"));
        }
        if shape == Shape::Two {
            let ips = [raw.ip4, raw.ip6].into_iter().flatten().collect::<Vec<_>>();
            let routes = ips.iter().flat_map(|ip| ip.routes.clone()).collect();
            return Ok(Self { interfaces: None, ips, routes, dns: raw.dns });
        }
        // Upstream's conversion from 0.4.0 to 1.0.0 turns an empty list into none; a 1.0.0 result keeps it.
        let interfaces = raw.interfaces.filter(|list| shape == Shape::Ten || !list.is_empty());
        Ok(Self { interfaces, ips: raw.ips, routes: raw.routes, dns: raw.dns })
    }

    /// The result as an object of this version, without empty lists.
    ///
    /// # Errors
    /// A message, if the version is 0.2.0 or older and there is no address.
    pub fn write(&self, version: &str) -> Result<Value, String> {
        let shape = Shape::of(version).ok_or(format!("unsupported CNI result version {version:?}"))?;
        let version = if version.is_empty() { "0.1.0" } else { version };
        let mut object = json!({ "cniVersion": version, "dns": self.dns });
        if shape == Shape::Two {
            self.write_two(&mut object)?;
            return Ok(object);
        }
        let mut add_list = |key: &str, items: Vec<Value>| {
            if !items.is_empty() {
                object[key] = Value::Array(items);
            }
        };
        add_list("interfaces", self.interfaces.iter().flatten().map(|made| json!(made)).collect());
        add_list("ips", self.ips.iter().map(|ip| ip.to_json(shape)).collect());
        add_list("routes", self.routes.iter().map(Route::to_json).collect());
        Ok(object)
    }

    /// Writes a result of 0.2.0 or older: the first address of each family, with the routes of that family.
    fn write_two(&self, object: &mut Value) -> Result<(), String> {
        for (key, wants_ipv4) in [("ip4", true), ("ip6", false)] {
            let Some(ip) = self.ips.iter().find(|ip| ip.is_ipv4() == wants_ipv4) else {
                continue;
            };
            let mut value = ip.to_json(Shape::Two);
            let fits = |route: &&Route| matches!(route.dst, Some(IpNet::V4(_))) == wants_ipv4;
            let routes = self.routes.iter().filter(fits).map(Route::to_json).collect::<Vec<_>>();
            if !routes.is_empty() {
                value["routes"] = Value::Array(routes);
            }
            object[key] = value;
        }
        if self.ips.is_empty() { Err("cannot convert: no valid IP addresses".to_owned()) } else { Ok(()) }
    }
}

/// Reads null as the type's default, as Go does.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpNet>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let parse = |text: String| text.parse().map_err(|_| D::Error::custom(format!("invalid CIDR address: {text}")));
    text.map(parse).transpose()
}

fn needed_prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
    prefix(deserializer)?.ok_or_else(|| D::Error::custom("invalid CIDR address: "))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    let parse = |text: String| text.parse().map_err(|_| D::Error::custom(format!("invalid IP address: {text}")));
    text.map(parse).transpose()
}
