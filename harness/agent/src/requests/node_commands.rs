//! Requests about the node's files and programs: reading, listing, hashing, running.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use data_encoding::HEXLOWER;
use plumbline_core::cni::Exit;
use plumbline_core::protocol::{Outcome, Target};
use sha2::{Digest, Sha256};

use crate::error::{During, RequestError, fault, gone};
use crate::namespaces::target::{describe_target, run_in_target};
use crate::node::nodes::NodeSet;
use crate::process::{Job, Processes};

/// The largest file that is read: a larger one is no configuration.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The limit of a program's output, as the protocol has it.
const OUTPUT_CAP_BYTES: usize = 1024 * 1024;

/// Reads a file, or lists the names in a folder, sorted.
///
/// # Errors
/// A fault with the path, marked as gone when it does not exist.
pub fn read_path(path: &str) -> Result<Outcome, RequestError> {
    let action = format!("read {path}");
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => gone(&action, error),
        _ => fault(&action, error),
    })?;
    if metadata.is_dir() {
        let entries = fs::read_dir(path).during(&action)?;
        let mut names: Vec<String> =
            entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        return Ok(Outcome::File { text: None, names: Some(names) });
    }
    // The metadata of files in /proc and /sys has size 0, so the limit applies to the read.
    let mut text = Vec::new();
    File::open(path).during(&action)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).during(&action)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(fault(action, format!("file: expected at most {MAX_FILE_BYTES} bytes, found more")));
    }
    Ok(Outcome::File { text: Some(String::from_utf8_lossy(&text).into_owned()), names: None })
}

/// SHA-256 of each existing file in lower-case hexadecimal, by path.
///
/// # Errors
/// A fault for an existing file that cannot be read.
pub fn hash_files(paths: &[String]) -> Result<BTreeMap<String, String>, RequestError> {
    let mut hashes = BTreeMap::new();
    for path in paths {
        match hash_file(path) {
            Ok(hash) => hashes.insert(path.clone(), hash),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(fault(format!("hash {path}"), error)),
        };
    }
    Ok(hashes)
}

fn hash_file(path: &str) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut sum = Sha256::new();
    let mut piece = vec![0; 256 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(HEXLOWER.encode(&sum.finalize())),
            length => sum.update(&piece[..length]),
        }
    }
}

/// Runs a program in the network namespace of a target, with the files of the first node; for another node of a private
/// testbed with that node's files.
///
/// # Errors
/// A fault when it cannot be started, or when there is no such namespace; the lane hung up.
pub fn run_program(
    target: &Target,
    argv: &[String],
    deadline: Duration,
    nodes: &NodeSet,
    processes: &mut Processes,
) -> Result<Outcome, RequestError> {
    if argv.is_empty() {
        return Err(fault("run a program", "program: expected a name, found none"));
    }
    let job = Job::new(argv.to_vec(), None, deadline, OUTPUT_CAP_BYTES);
    let started = match target {
        Target::NodeAt(node) => nodes.run_on_node(*node, || Ok(processes.start(&[job])?))?,
        _ => run_in_target(target, || Ok(processes.start(&[job])?))?,
    };
    let result = processes.finish(started)?.remove(0);
    let code = match result.exit {
        Exit::NotStarted(cause) => {
            return Err(fault(format!("run {} in {}", argv.join(" "), describe_target(target)), cause));
        }
        Exit::Code(code) => Some(code),
        Exit::Signal(_) | Exit::Deadline(_) => None,
    };
    Ok(Outcome::Ran {
        code,
        stdout: String::from_utf8_lossy(&result.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&result.stderr).into_owned(),
    })
}
