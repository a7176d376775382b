//! The leases: a folder with a file for each allocated address, under one lock.
//!
//! In Terway the daemon keeps the leases. DEL of the pod removes them, there and here.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use nix::fcntl::{Flock, FlockArg};

use crate::result::Reported;
use crate::settings::Pool;

/// The lock file, beside the leases.
const LOCK: &str = ".lock";

/// The folder, locked against every other call on this node until this value is dropped.
pub struct Leases {
    folder: PathBuf,
    _lock: Flock<File>,
}

impl Leases {
    /// Opens the folder, creates it if it is missing, and waits for the lock.
    ///
    /// # Errors
    /// A message with the path.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let describe = |what: &str, error: &dyn std::fmt::Display| format!("{what} {}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(|error| describe("cannot make the folder of leases", &error))?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK));
        let file = file.map_err(|error| describe("cannot open the lock in", &error))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| describe("cannot lock the folder of leases", &errno))?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// The address that `owner` has in this pool. If it has none, allocates the first free one.
    ///
    /// # Errors
    /// A message: the pool is used up, or its folder can't be written.
    fn take(&self, pool: IpNet, owner: &str) -> Result<IpAddr, String> {
        if let Some(address) = self.of(owner)?.into_iter().find(|address| pool.contains(address)) {
            return Ok(address);
        }
        // The first address of an IPv6 net is the routers' anycast address. hosts() excludes IPv4's first and last address.
        let hosts = pool.hosts().filter(|address| address.is_ipv4() || *address != pool.network());
        for address in hosts {
            let path = self.folder.join(address.to_string());
            match OpenOptions::new().create_new(true).write(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(owner.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))?;
                    return Ok(address);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        Err(format!("no address is left in the pool {pool}; leases are in {}", self.folder.display()))
    }

    /// An address of each pool for `owner`, with the prefix length of its subnet.
    ///
    /// # Errors
    /// As [`Leases::take`].
    pub fn take_each(&self, pools: &[Pool], owner: &str) -> Result<Vec<Reported>, String> {
        let take_from = |pool: &Pool| {
            let address = IpNet::new(self.take(pool.addresses, owner)?, pool.prefix_len);
            Ok(Reported { address: address.map_err(|error| error.to_string())?, gateway: pool.gateway })
        };
        pools.iter().map(take_from).collect()
    }

    /// Frees every address of `owner`.
    ///
    /// # Errors
    /// A message with the path.
    pub fn free_all(&self, owner: &str) -> Result<(), String> {
        self.of(owner)?.into_iter().try_for_each(|address| self.free(address))
    }

    /// The addresses of `owner`, in no particular order.
    ///
    /// # Errors
    /// A message with the path.
    pub fn of(&self, owner: &str) -> Result<Vec<IpAddr>, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let address = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            if let Some(address) = address
                && fs::read_to_string(&path).is_ok_and(|text| text == owner)
            {
                found.push(address);
            }
        }
        Ok(found)
    }

    /// Frees an address. A free address is no error.
    ///
    /// # Errors
    /// A message with the path.
    pub fn free(&self, address: IpAddr) -> Result<(), String> {
        let path = self.folder.join(address.to_string());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("{}: {error}", path.display())),
            _ => Ok(()),
        }
    }
}
