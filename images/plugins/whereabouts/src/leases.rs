//! The leases: a folder with a file for each given address, under one lock.

use crate::config::Range;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

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
        let describe =
            |what: &str, error: &dyn std::fmt::Display| format!("cannot {what} {}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(|error| describe("make", &error))?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK));
        let file = file.map_err(|error| describe("open the lock in", &error))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| describe("lock", &errno))?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// Leases the lowest free address of a range. The same owner gets the same address again.
    ///
    /// # Errors
    /// A message: the range is used up, or the folder can't be written.
    pub fn take(&self, range: &Range, owner: &str) -> Result<IpAddr, String> {
        let fits = |address: &IpAddr| range.first <= *address && *address <= range.last;
        if let Some(address) = self.of(owner)?.into_iter().find(fits) {
            return Ok(address);
        }
        for address in range.addresses() {
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
        Err(format!("no address is left in {} to {}", range.first, range.last))
    }

    /// Whether an owner has an address.
    pub fn has(&self, owner: &str) -> bool {
        self.of(owner).is_ok_and(|addresses| !addresses.is_empty())
    }

    /// Frees every address of an owner.
    ///
    /// # Errors
    /// A message with the path.
    pub fn free(&self, owner: &str) -> Result<(), String> {
        self.of(owner)?.into_iter().try_for_each(|address| {
            let path = self.folder.join(address.to_string());
            fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))
        })
    }

    /// The addresses of an owner.
    fn of(&self, owner: &str) -> Result<Vec<IpAddr>, String> {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn each_owner_has_an_address_until_it_is_freed() {
        let folder = tempfile::tempdir().unwrap();
        let leases = Leases::open(folder.path()).unwrap();
        let config = Config::read(br#"{"ipam":{"range":"192.0.2.0/30"}}"#).unwrap();
        let range = config.ranges().unwrap().remove(0);
        let take = |owner: &str| leases.take(&range, owner).map(|address| address.to_string());
        assert_eq!(take("a net1"), Ok("192.0.2.1".to_owned()));
        assert_eq!(take("b net1"), Ok("192.0.2.2".to_owned()));
        assert_eq!(take("a net1"), Ok("192.0.2.1".to_owned()));
        assert!(take("c net1").unwrap_err().contains("no address is left"));
        assert!(leases.has("a net1"));
        leases.free("a net1").unwrap();
        assert!(!leases.has("a net1"));
        assert_eq!(take("c net1"), Ok("192.0.2.1".to_owned()));
    }
}
