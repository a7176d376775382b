//! Who has which address: the pool and the leases of the stand-in plugin's own file.

use std::collections::BTreeMap;
use std::path::Path;

use ipnet::IpNet;
use plumbline_terway_plugin::leases::Leases;
use plumbline_terway_plugin::settings::{Pool, Settings};

/// What a pod was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its addresses, each with the ENI's gateway of that family and the subnet's prefix length, IPv4 first.
    pub addresses: Vec<(IpNet, std::net::IpAddr)>,
}

/// The book of one node.
#[derive(Debug)]
pub struct Book {
    settings: Settings,
    pools: Vec<Pool>,
    mac: String,
    /// By the id of the pod's sandbox.
    given: BTreeMap<String, Given>,
}

impl Book {
    /// Opens it by the node's file.
    ///
    /// # Errors
    /// What can't be read of the file, or of the ENI that it names.
    pub fn open(file: &Path) -> Result<Self, String> {
        let settings = Settings::read_from(file)?;
        let pools = settings.pools()?;
        let path = format!("/sys/class/net/{}/address", settings.eni.link);
        let mac = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self { settings, pools, mac: mac.trim().to_owned(), given: BTreeMap::new() })
    }

    /// The ENI's MAC address, by which the plugin finds the link.
    pub fn mac(&self) -> &str {
        &self.mac
    }

    /// Gives a sandbox its addresses; once more the same.
    ///
    /// # Errors
    /// In words: the pool is used up, or its folder can't be written.
    pub fn give(&mut self, sandbox: &str) -> Result<Given, String> {
        let leases = Leases::open(&self.settings.leases)?;
        let one = |pool: &Pool| {
            let address = leases.take(pool.addresses, sandbox)?;
            let address = IpNet::new(address, pool.prefix_len).map_err(|error| error.to_string())?;
            Ok((address, pool.gateway))
        };
        let addresses = self.pools.iter().map(one).collect::<Result<_, String>>()?;
        let given = Given { addresses };
        self.given.insert(sandbox.to_owned(), given.clone());
        Ok(given)
    }

    /// What a sandbox has; none where it never asked, or gave it back.
    pub fn of(&self, sandbox: &str) -> Option<&Given> {
        self.given.get(sandbox)
    }

    /// Takes it back; one that has nothing is fine.
    ///
    /// # Errors
    /// In words, with the path.
    pub fn take_back(&mut self, sandbox: &str) -> Result<(), String> {
        let leases = Leases::open(&self.settings.leases)?;
        leases.of(sandbox)?.into_iter().try_for_each(|address| leases.free(address))?;
        self.given.remove(sandbox);
        Ok(())
    }
}
