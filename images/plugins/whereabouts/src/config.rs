//! The configuration: which addresses may be given.

use ipnet::IpNet;
use plumbline_plugin::{Code, Failure};
use serde::Deserialize;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The configuration of the plugin that calls this one.
#[derive(Debug, Default, Deserialize)]
pub struct Config {
    /// Version of the protocol.
    #[serde(rename = "cniVersion", default)]
    pub version: String,
    /// The IPAM part.
    #[serde(default)]
    pub ipam: Ipam,
}

/// The IPAM part. Keys about the API server and the log are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Ipam {
    #[serde(flatten)]
    first: RangeKeys,
    gateway: String,
    #[serde(rename = "ipRanges")]
    ranges: Vec<RangeKeys>,
    /// Reported as written.
    pub routes: Value,
    /// Reported as written.
    pub dns: Value,
}

/// The keys of one range.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RangeKeys {
    range: String,
    range_start: String,
    range_end: String,
    exclude: Vec<String>,
}

/// A range of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The network.
    pub net: IpNet,
    /// The first address.
    pub first: IpAddr,
    /// The last address.
    pub last: IpAddr,
    exclude: Vec<IpNet>,
}

fn invalid(why: String) -> Failure {
    Failure::new(Code::Config, why)
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Code 6.
    pub fn read(text: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(text)
            .map_err(|error| Failure::with_details(Code::Decoding, "failed to parse network config", error.to_string()))
    }

    /// The gateway that is reported, if there is one.
    ///
    /// # Errors
    /// Code 7.
    pub fn gateway(&self) -> Result<Option<IpAddr>, Failure> {
        let text = &self.ipam.gateway;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse::<IpAddr>().map(Some).map_err(|_| invalid(format!("gateway: {text:?} is no address")))
    }

    /// The ranges, at least one.
    ///
    /// # Errors
    /// Code 7.
    pub fn ranges(&self) -> Result<Vec<Range>, Failure> {
        let all = std::iter::once(&self.ipam.first).chain(&self.ipam.ranges);
        let ranges: Vec<Range> =
            all.filter(|keys| !keys.range.is_empty()).map(RangeKeys::read).collect::<Result<_, _>>()?;
        if ranges.is_empty() {
            return Err(invalid("no `range` and no `ipRanges`".to_owned()));
        }
        Ok(ranges)
    }
}

impl RangeKeys {
    fn read(&self) -> Result<Range, Failure> {
        let address = |text: &str| {
            text.trim().parse::<IpAddr>().map_err(|_| invalid(format!("range {}: {text:?} is no address", self.range)))
        };
        let (start, rest) = match self.range.split_once('-') {
            Some((start, rest)) => (start, rest),
            None => ("", self.range.as_str()),
        };
        let net: IpNet = rest.trim().parse().map_err(|_| invalid(format!("range {:?} is no network", self.range)))?;
        let trunc = net.trunc();
        // An IPv4 network's own address and its broadcast address are no pod's.
        let is_wide = trunc.prefix_len() < trunc.max_prefix_len() - 1;
        let first = if is_wide { step(trunc.network(), 1) } else { trunc.network() };
        let last = if is_wide && first.is_ipv4() { step(trunc.broadcast(), -1) } else { trunc.broadcast() };
        let one_of = |texts: [&str; 2], usual: IpAddr| match texts.into_iter().find(|text| !text.is_empty()) {
            Some(text) => address(text),
            None => Ok(usual),
        };
        let end = if start.is_empty() { String::new() } else { net.addr().to_string() };
        let range = Range {
            net: trunc,
            first: one_of([&self.range_start, start], first)?,
            last: one_of([&self.range_end, &end], last)?,
            exclude: self.exclude.iter().map(|text| network(text)).collect::<Result<_, _>>()?,
        };
        if !trunc.contains(&range.first) || !trunc.contains(&range.last) || range.first > range.last {
            return Err(invalid(format!("range {} does not hold {} to {}", self.range, range.first, range.last)));
        }
        Ok(range)
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, Failure> {
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| one()).map_err(|_| invalid(format!("exclude: {text:?} is no network")))
}

/// The address some steps further.
fn step(address: IpAddr, by: i8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).wrapping_add_signed(by.into())).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6).wrapping_add_signed(by.into())).into(),
    }
}

impl Range {
    /// Every address that may be given, the lowest first. An excluded network is passed over as a whole.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let mut next = Some(self.first);
        std::iter::from_fn(move || {
            let mut address = next?;
            while let Some(last) = self.last_excluded(address) {
                next = self.after(last);
                address = next?;
            }
            next = self.after(address);
            Some(address)
        })
    }

    /// The last address of an excluded network with this address.
    fn last_excluded(&self, address: IpAddr) -> Option<IpAddr> {
        self.exclude.iter().filter(|net| net.contains(&address)).map(IpNet::broadcast).max()
    }

    /// The address after this one, if the range has one.
    fn after(&self, address: IpAddr) -> Option<IpAddr> {
        (address < self.last).then(|| step(address, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(ipam: &str) -> Result<Vec<Range>, Failure> {
        Config::read(format!(r#"{{"cniVersion":"0.3.1","ipam":{ipam}}}"#).as_bytes()).unwrap().ranges()
    }

    #[test]
    fn ranges_have_a_first_and_a_last_address() {
        let ends = |ipam: &str| {
            let range = ranges(ipam).unwrap().remove(0);
            (range.first.to_string(), range.last.to_string())
        };
        let pair = |first: &str, last: &str| (first.to_owned(), last.to_owned());
        assert_eq!(ends(r#"{"range":"192.0.2.0/24"}"#), pair("192.0.2.1", "192.0.2.254"));
        assert_eq!(ends(r#"{"range":"192.0.2.10-192.0.2.20/24"}"#), pair("192.0.2.10", "192.0.2.20"));
        assert_eq!(ends(r#"{"range":"192.0.2.0/24","range_start":"192.0.2.7"}"#), pair("192.0.2.7", "192.0.2.254"));
        assert_eq!(ends(r#"{"range":"2001:db8::/120","range_end":"2001:db8::9"}"#), pair("2001:db8::1", "2001:db8::9"));
        assert_eq!(ranges(r#"{"ipRanges":[{"range":"192.0.2.0/24"},{"range":"2001:db8::/64"}]}"#).unwrap().len(), 2);
    }

    #[test]
    fn excluded_addresses_are_not_given() {
        let range = ranges(r#"{"range":"192.0.2.0/29","exclude":["192.0.2.0/30","192.0.2.5"]}"#).unwrap().remove(0);
        let given: Vec<String> = range.addresses().map(|address| address.to_string()).collect();
        assert_eq!(given, ["192.0.2.4", "192.0.2.6"]);
    }

    #[test]
    fn an_excluded_network_is_passed_over_as_a_whole() {
        let first = |ipam: &str| ranges(ipam).unwrap()[0].addresses().next().map(|address| address.to_string());
        let wide = r#"{"range":"2001:db8::/64","exclude":["2001:db8::/65","2001:db8::8000:0:0:0/127"]}"#;
        assert_eq!(first(wide), Some("2001:db8::8000:0:0:2".to_owned()));
        assert_eq!(first(r#"{"range":"2001:db8::/64","exclude":["2001:db8::/32"]}"#), None);
        assert_eq!(first(r#"{"range":"255.255.255.0/24","exclude":["0.0.0.0/0"]}"#), None);
        let inner = r#"{"range":"192.0.2.0/24","exclude":["192.0.2.0/30","192.0.2.0/25","192.0.2.128/32"]}"#;
        assert_eq!(first(inner), Some("192.0.2.129".to_owned()));
    }

    #[test]
    fn a_gateway_is_an_address() {
        let gateway = |ipam: &str| Config::read(format!(r#"{{"ipam":{ipam}}}"#).as_bytes()).unwrap().gateway();
        assert_eq!(gateway("{}").unwrap(), None);
        assert_eq!(gateway(r#"{"gateway":"192.0.2.1"}"#).unwrap(), Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(gateway(r#"{"gateway":"192.0.2.1/24"}"#).unwrap_err().code, Code::Config);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for ipam in [
            "{}",
            r#"{"range":"x"}"#,
            r#"{"range":"192.0.2.0/24","range_start":"198.51.100.1"}"#,
            r#"{"range":"192.0.2.0/24","exclude":["x"]}"#,
        ] {
            assert_eq!(ranges(ipam).unwrap_err().code, Code::Config, "{ipam}");
        }
    }
}
