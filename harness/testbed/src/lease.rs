//! Leases: a cluster or a name that scenarios share, or that one of them holds exclusively.
//!
//! A lease is a lock on a file in the state folder (`flock`, through std), so the kernel releases it when its holder ends for
//! any reason.

use crate::error::{AtStage, TestbedError};
use crate::folders;
use crate::wait::{Deadline, Look, until};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;

/// The kind of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Several holders at once.
    Shared,
    /// One holder.
    Exclusive,
}

/// A lease that is held until it is dropped.
#[derive(Debug)]
#[must_use = "a dropped lease is released"]
pub struct Lease {
    _file: File,
}

impl Lease {
    /// Takes the lease `name`, and waits until the deadline for other holders to release it.
    ///
    /// # Errors
    /// [`TestbedError`] at the deadline, with its holder.
    pub async fn take(name: &str, kind: Kind, deadline: Deadline) -> Result<Self, TestbedError> {
        let path = path(name)?;
        let stage = format!("lease {name}");
        let what = format!("lease {name} ({kind:?})");
        let file = until(&stage, &what, deadline, Duration::from_millis(50), async || match try_take(&path, kind)? {
            Some(file) => Ok(Look::There(file)),
            None => Ok(Look::NotYet(holder(&path))),
        })
        .await?;
        Ok(Self { _file: file })
    }

    /// Takes the lease `name` if no other holder excludes it.
    ///
    /// # Errors
    /// [`TestbedError`] when the lock file can't be opened.
    pub fn try_now(name: &str, kind: Kind) -> Result<Option<Self>, TestbedError> {
        Ok(try_take(&path(name)?, kind)?.map(|file| Self { _file: file }))
    }
}

fn path(name: &str) -> Result<PathBuf, TestbedError> {
    let folder = folders::state()?.join("leases");
    std::fs::create_dir_all(&folder).at_stage(&format!("make folder {}", folder.display()))?;
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    Ok(folder.join(plain))
}

fn try_take(path: &PathBuf, kind: Kind) -> Result<Option<File>, TestbedError> {
    let stage = format!("open lease file {}", path.display());
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).at_stage(&stage)?;
    let locked = match kind {
        Kind::Shared => file.try_lock_shared(),
        Kind::Exclusive => file.try_lock(),
    };
    if !is_taken(locked).at_stage(&stage)? {
        return Ok(None);
    }
    // Only for messages about the wait; the lock itself decides.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "process {} ({kind:?})", std::process::id()));
    Ok(Some(file))
}

/// Whether a lock was taken; false if another process holds it.
pub(crate) fn is_taken(locked: Result<(), TryLockError>) -> std::io::Result<bool> {
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn holder(path: &PathBuf) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_string(&mut text));
    match read {
        Ok(_) if !text.is_empty() => format!("held by {text}"),
        _ => "held by another process".to_string(),
    }
}
