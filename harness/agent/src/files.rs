//! Small files of the node: reading, listing, hashing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};

use plumbline_core::protocol::Outcome;
use sha2::{Digest, Sha256};

use crate::trouble::{Doing, Trouble, fault, gone};

/// Larger files are no configuration.
const LARGEST_BYTES: u64 = 1024 * 1024;

/// Reads a file, or lists a folder's names, sorted.
///
/// # Errors
/// A fault with the path, marked as gone when there is no such file.
pub fn read(path: &str) -> Result<Outcome, Trouble> {
    let doing = format!("read {path}");
    let about = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => gone(&doing, error),
        _ => fault(&doing, error),
    })?;
    if about.is_dir() {
        let entries = fs::read_dir(path).doing(&doing)?;
        let mut names: Vec<String> =
            entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        return Ok(Outcome::File { text: None, names: Some(names) });
    }
    // Files of /proc and /sys say that they are empty, so the size is learnt by reading.
    let mut text = Vec::new();
    File::open(path).doing(&doing)?.take(LARGEST_BYTES + 1).read_to_end(&mut text).doing(&doing)?;
    if text.len() as u64 > LARGEST_BYTES {
        return Err(fault(doing, format!("the file is larger than {LARGEST_BYTES} bytes")));
    }
    Ok(Outcome::File { text: Some(String::from_utf8_lossy(&text).into_owned()), names: None })
}

/// SHA-256 of each file that is there, by path, in lower-case hex.
///
/// # Errors
/// A fault for a file that is there and can't be read.
pub fn hash(paths: &[String]) -> Result<BTreeMap<String, String>, Trouble> {
    let mut found = BTreeMap::new();
    for path in paths {
        let doing = format!("hash {path}");
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(fault(doing, error)),
        };
        let mut sum = Sha256::new();
        let mut piece = vec![0; 256 * 1024];
        loop {
            match file.read(&mut piece).doing(&doing)? {
                0 => break,
                length => sum.update(&piece[..length]),
            }
        }
        let hex = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        found.insert(path.clone(), hex);
    }
    Ok(found)
}
