//! The file that Plumbline lays on a node, in place of Terway's daemon: which link is the ENI, which addresses are its.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

use crate::error::not_added;
use plumbline_plugin::Failure;

/// Where the file is; beside the socket of Terway's daemon (`/var/run/eni/eni.socket`).
pub const FILE: &str = "/var/run/eni/plumbline-standin.json";

/// What the node has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The ENI.
    pub eni: Eni,
    /// The ENI's IPv4 addresses for pods; the first and the last of the net are not given out.
    pub pool: Option<Ipv4Net>,
    /// The ENI's IPv6 addresses for pods.
    pub pool6: Option<Ipv6Net>,
    /// The ENI's subnet, whose prefix length the result reports; the pool's own where nothing is said.
    pub subnet: Option<Ipv4Net>,
    /// The same for IPv6.
    pub subnet6: Option<Ipv6Net>,
    /// Folder of the leases, a file for each address.
    pub leases: PathBuf,
}

/// The link that stands for a cloud interface.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eni {
    /// The link's name on the node.
    pub link: String,
    /// The next hop of pods' IPv4.
    pub gateway: Option<Ipv4Addr>,
    /// The next hop of pods' IPv6.
    pub gateway6: Option<Ipv6Addr>,
    /// The routing table of what pods send; 1000 and the link's index where nothing is said, as Terway counts
    /// (`GetRouteTableID`).
    pub table: Option<u32>,
}

/// A pool of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Addresses to give out.
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
    /// Code 11, naming the file and what is wrong with it.
    pub fn read() -> Result<Self, Failure> {
        Self::read_from(Path::new(FILE)).map_err(not_added)
    }

    /// Reads the file from where it is said to be.
    ///
    /// # Errors
    /// In words, naming the file and what is wrong with it.
    pub fn read_from(file: &Path) -> Result<Self, String> {
        let named = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| {
            format!(
                "cannot read {named} ({error}); without it nothing says which link of this node is the ENI and which \
                 addresses are its"
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
    /// A pool without a gateway of its family, in words.
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
    fn what_was_agreed_is_read() {
        let settings = Settings::parse(TEXT).unwrap();
        assert_eq!(settings.eni.table, Some(1001));
        let pools = settings.pools().unwrap();
        assert_eq!(pools.len(), 1);
        assert_eq!((pools[0].prefix_len, pools[0].gateway), (28, "10.77.0.1".parse().unwrap()));
    }

    #[test]
    fn the_subnet_gives_the_reported_prefix() {
        let settings = Settings::parse(&TEXT.replace("\"pool6\"", "\"subnet\":\"10.77.0.0/24\",\"pool6\"")).unwrap();
        assert_eq!(settings.pools().unwrap()[0].prefix_len, 24);
    }

    #[test]
    fn what_cannot_be_worked_with_is_refused() {
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
