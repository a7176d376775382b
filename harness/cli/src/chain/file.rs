//! The user's file with an `eni-config`.

use crate::fault;
use crate::select::{Refused, SuiteFiles};
use plumbline_core::terway::EniConfig;
use std::io::Read as _;
use std::path::Path;

/// For a file: standard input.
const STDIN: &str = "-";
/// How much is read there, in bytes: what Kubernetes takes of a ConfigMap.
const MAX_STDIN: u64 = 1_048_576;

/// Reads an `eni-config` from a user's file; the file may lie anywhere. `-` is standard input.
///
/// # Errors
/// [`Refused`] with file, line and field.
pub fn read(file: &Path) -> Result<EniConfig, Refused> {
    if file == Path::new(STDIN) {
        let mut text = String::new();
        let read = std::io::stdin().lock().take(MAX_STDIN + 1).read_to_string(&mut text);
        read.map_err(|error| Refused::one(format!("standard input: {error}")))?;
        if text.len() as u64 > MAX_STDIN {
            return Err(Refused::one(format!("standard input: larger than {MAX_STDIN} bytes")));
        }
        return fault::name_file("standard input", || EniConfig::read("stdin", &text))
            .map_err(|error| Refused::one(error.to_string()));
    }
    let name = file.to_str().ok_or_else(|| Refused::one(format!("{}: the path is not UTF-8", file.display())))?;
    // A link is followed to where it leads: the file is named by the user, and nothing in it names another.
    let real = std::fs::canonicalize(file).ok();
    let folder = real.as_deref().and_then(Path::parent).map(Path::to_owned);
    let files = SuiteFiles::below(folder.into_iter().chain(file.parent().map(Path::to_owned)));
    fault::name_file(name, || EniConfig::load(name, &files)).map_err(|error| Refused::one(error.to_string()))
}
