//! The addresses of each sandbox: pools and leases of the file that the stand-in plugin reads.

use std::collections::BTreeMap;
use std::path::Path;

use ipnet::IpNet;
use plumbline_terway_plugin::leases::Leases;
use plumbline_terway_plugin::settings::{Pool, Settings};

/// The addresses of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Each address with the prefix length of its subnet and the ENI's gateway of that family, IPv4 first.
    pub addresses: Vec<(IpNet, std::net::IpAddr)>,
}

/// The allocations of one node.
#[derive(Debug)]
pub struct Allocations {
    settings: Settings,
    pools: Vec<Pool>,
    mac: String,
    /// By sandbox id.
    by_sandbox: BTreeMap<String, Allocation>,
}

impl Allocations {
    /// Opens the node's file.
    ///
    /// # Errors
    /// When the file, or the ENI that it names, can't be read.
    pub fn open(file: &Path) -> Result<Self, String> {
        let settings = Settings::read_from(file)?;
        let pools = settings.pools()?;
        let path = format!("/sys/class/net/{}/address", settings.eni.link);
        let mac = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self { settings, pools, mac: mac.trim().to_owned(), by_sandbox: BTreeMap::new() })
    }

    /// The ENI's MAC address, by which the plugin finds the link.
    pub fn mac(&self) -> &str {
        &self.mac
    }

    /// Allocates addresses for a sandbox. A second call gives the same addresses.
    ///
    /// # Errors
    /// When the pool is used up, or its folder can't be written.
    pub fn allocate(&mut self, sandbox: &str) -> Result<Allocation, String> {
        let leases = Leases::open(&self.settings.leases)?;
        let one = |pool: &Pool| {
            let address = leases.take(pool.addresses, sandbox)?;
            let address = IpNet::new(address, pool.prefix_len).map_err(|error| error.to_string())?;
            Ok((address, pool.gateway))
        };
        let addresses = self.pools.iter().map(one).collect::<Result<_, String>>()?;
        let allocation = Allocation { addresses };
        self.by_sandbox.insert(sandbox.to_owned(), allocation.clone());
        Ok(allocation)
    }

    /// The addresses of a sandbox; none where it has none.
    pub fn find(&self, sandbox: &str) -> Option<&Allocation> {
        self.by_sandbox.get(sandbox)
    }

    /// Releases the addresses of a sandbox. A sandbox without addresses is no error.
    ///
    /// # Errors
    /// When a lease can't be removed, with its path.
    pub fn release(&mut self, sandbox: &str) -> Result<(), String> {
        let leases = Leases::open(&self.settings.leases)?;
        leases.of(sandbox)?.into_iter().try_for_each(|address| leases.free(address))?;
        self.by_sandbox.remove(sandbox);
        Ok(())
    }
}
