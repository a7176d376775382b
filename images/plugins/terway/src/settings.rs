//! The file that Plumbline writes on a node instead of running Terway's daemon. It names the ENI's link and its addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

use crate::error::not_added;
use plumbline_plugin::Failure;

/// The path of the file, beside the socket of Terway's daemon (`/var/run/eni/eni.socket`).
pub const FILE: &str = "/var/run/eni/plumbline-standin.json";

/// The settings of a node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The ENI.
    pub eni: Eni,
    /// The ENI's IPv4 addresses for pods. The first and the last address of the net are never allocated.
    pub pool: Option<Ipv4Net>,
    /// The ENI's IPv6 addresses for pods.
    pub pool6: Option<Ipv6Net>,
    /// The ENI's subnet, whose prefix length the result reports. The default is the pool.
    pub subnet: Option<Ipv4Net>,
    /// The same for IPv6.
    pub subnet6: Option<Ipv6Net>,
    /// Folder of the leases, a file for each address.
    pub leases: PathBuf,
}

/// The link that replaces a cloud interface.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eni {
    /// The link's name on the node.
    pub link: String,
    /// The next hop of pods' IPv4.
    pub gateway: Option<Ipv4Addr>,
    /// The next hop of pods' IPv6.
    pub gateway6: Option<Ipv6Addr>,
    /// The routing table for packets from pods. The default is 1000 plus the link's index, as in Terway
    /// (`GetRouteTableID`).
    pub table: Option<u32>,
}

/// A pool of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Addresses to allocate.
    pub addresses: IpNet,
    /// Prefix length of the subnet, for the result.
    pub prefix_len: u8,
    /// The ENI's gateway of that family.
    pub gateway: IpAddr,
}

impl Settings {
    /// Reads the node's file.
    ///
    /// # Errors
    /// Code 11, with the file and the reason.
    pub fn read() -> Result<Self, Failure> {
        Self::read_from(Path::new(FILE)).map_err(not_added)
    }

    /// Reads the file at a path.
    ///
    /// # Errors
    /// A message with the file and the reason.
    pub fn read_from(file: &Path) -> Result<Self, String> {
        let named = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| {
            format!(
                "cannot read {named} ({error}); this file names the link of this node that is the ENI, and its addresses"
            )
        })?;
        Self::parse(&text).map_err(|why| format!("{named}: {why}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if settings.pools()?.is_empty() {
            return Err("neither pool nor pool6 is given".to_owned());
        }
        Ok(settings)
    }

    /// The pools, IPv4 first.
    ///
    /// # Errors
    /// A message about a pool without a gateway of its family.
    pub fn pools(&self) -> Result<Vec<Pool>, String> {
        let mut pools = Vec::new();
        if let Some(pool) = self.pool {
            let gateway = self.eni.gateway.ok_or("a pool is given without eni.gateway")?;
            let prefix_len = self.subnet.unwrap_or(pool).prefix_len();
            pools.push(Pool { addresses: pool.into(), prefix_len, gateway: gateway.into() });
        }
        if let Some(pool) = self.pool6 {
            let gateway = self.eni.gateway6.ok_or("a pool6 is given without eni.gateway6")?;
            let prefix_len = self.subnet6.unwrap_or(pool).prefix_len();
            pools.push(Pool { addresses: pool.into(), prefix_len, gateway: gateway.into() });
        }
        Ok(pools)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"eni":{"link":"eth1","gateway":"10.77.0.1","gateway6":null,"table":1001},
        "pool":"10.77.0.16/28","pool6":null,"leases":"/var/run/eni/plumbline-leases"}"#;

    #[test]
    fn the_settings_are_read() {
        let settings = Settings::parse(TEXT).unwrap();
        assert_eq!(settings.eni.table, Some(1001));
        let pools = settings.pools().unwrap();
        assert_eq!(pools.len(), 1);
        assert_eq!((pools[0].prefix_len, pools[0].gateway), (28, "10.77.0.1".parse().unwrap()));
    }

    #[test]
    fn the_reported_prefix_length_is_that_of_the_subnet() {
        let settings = Settings::parse(&TEXT.replace("\"pool6\"", "\"subnet\":\"10.77.0.0/24\",\"pool6\"")).unwrap();
        assert_eq!(settings.pools().unwrap()[0].prefix_len, 24);
    }

    #[test]
    fn invalid_settings_are_refused() {
        for (from, to, word) in [
            ("\"10.77.0.16/28\"", "null", "neither pool nor pool6"),
            ("\"gateway\":\"10.77.0.1\"", "\"gateway\":null", "without eni.gateway"),
            ("\"pool6\":null", "\"pool6\":\"2001:db8::/120\"", "without eni.gateway6"),
            ("\"table\"", "\"tabel\"", "tabel"),
            ("10.77.0.16/28", "10.77.0.16", "IP"),
        ] {
            let error = Settings::parse(&TEXT.replace(from, to)).unwrap_err();
            assert!(error.contains(word), "{to}: {error}");
        }
    }
}
