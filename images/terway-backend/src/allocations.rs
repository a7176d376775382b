//! The addresses of each sandbox: pools and leases of the file that the stand-in plugin reads.

use std::collections::BTreeMap;
use std::path::Path;

use plumbline_terway_plugin::leases::Leases;
use plumbline_terway_plugin::result::Reported;
use plumbline_terway_plugin::settings::{Pool, Settings};

/// The allocations of one node.
#[derive(Debug)]
pub struct Allocations {
    settings: Settings,
    pools: Vec<Pool>,
    mac: String,
    /// By sandbox id.
    by_sandbox: BTreeMap<String, Vec<Reported>>,
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

    /// The ENI's MAC address. The plugin finds the link with it.
    pub fn mac(&self) -> &str {
        &self.mac
    }

    /// Allocates addresses for a sandbox. A second call returns the same addresses.
    ///
    /// # Errors
    /// When the pool is used up, or its folder can't be written.
    pub fn allocate(&mut self, sandbox: &str) -> Result<Vec<Reported>, String> {
        let addresses = Leases::open(&self.settings.leases)?.take_each(&self.pools, sandbox)?;
        self.by_sandbox.insert(sandbox.to_owned(), addresses.clone());
        Ok(addresses)
    }

    /// The addresses of a sandbox, if it has any.
    pub fn find(&self, sandbox: &str) -> Option<&[Reported]> {
        self.by_sandbox.get(sandbox).map(Vec::as_slice)
    }

    /// Releases the addresses of a sandbox. A sandbox without addresses is no error.
    ///
    /// # Errors
    /// When a lease can't be removed, with its path.
    pub fn release(&mut self, sandbox: &str) -> Result<(), String> {
        Leases::open(&self.settings.leases)?.free_all(sandbox)?;
        self.by_sandbox.remove(sandbox);
        Ok(())
    }
}
