//! `record`: in a plugin's place, under its name, noting down each call and acting faults
//! ([`plumbline_core::record`]).

pub mod call;
mod deed;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use plumbline_core::record::{RECORDER_SUFFIX, Recorded, Recorder};

use crate::exit::Failure;

/// Names the file of the recorder where it does not lie beside the program.
const FILE: &str = "PLUMBLINE_RECORD";

/// The recorder's file, where this program was started in a plugin's place.
#[must_use]
pub fn file(program: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(FILE) {
        return Some(named.into());
    }
    // A runtime gives the whole path; a bare name was found by somebody's search path and is no plugin.
    let beside = PathBuf::from(format!("{program}{RECORDER_SUFFIX}"));
    (program.contains('/') && beside.is_file()).then_some(beside)
}

/// Stands in for the plugin once; gives its exit code.
///
/// # Errors
/// [`Failure::Internal`] when the recorder's file can't be used.
pub fn run(file: &Path) -> Result<u8, Failure> {
    let internal = |what: &str, error: &dyn std::fmt::Display| Failure::Internal(format!("{what}: {error}"));
    let text = fs::read(file).map_err(|error| internal(&format!("read {}", file.display()), &error))?;
    let recorder: Recorder =
        serde_json::from_slice(&text).map_err(|error| internal(&format!("read {}", file.display()), &error))?;
    let mut stdin = Vec::new();
    io::stdin().read_to_end(&mut stdin)?;

    let env = |name: &str| std::env::var(name).unwrap_or_default();
    let act = recorder.act(&env("CNI_COMMAND"), &env("CNI_IFNAME")).cloned();
    let mut recorded = begun(&stdin);
    let ended = match &act {
        Some(act) if !act.after => None,
        _ => {
            let plugin = plugin(&recorder, file)?;
            Some(call::through(&plugin, &stdin, &mut recorded)?)
        }
    };
    recorded.acted = act.as_ref().map(|act| act.what.clone());
    if let (Some(act), None) = (&act, &ended) {
        deed::foretell(&act.what, &mut recorded);
    }
    note(&recorder.log, &recorded);
    match (act, ended) {
        (Some(act), _) => deed::act(&act.what),
        (None, Some(ended)) => call::pass_on(&ended),
        (None, None) => Err(Failure::Internal("neither a plugin nor a fault".to_owned())),
    }
}

fn begun(stdin: &[u8]) -> Recorded {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Recorded {
        at_us: u64::try_from(at.as_micros()).unwrap_or(u64::MAX),
        argv: std::env::args().collect(),
        // Others may be somebody's secrets.
        env: std::env::vars().filter(|(name, _)| name.starts_with("CNI_") || name == "PATH").collect(),
        stdin: String::from_utf8_lossy(stdin).into_owned(),
        stdout: String::new(),
        stderr: String::new(),
        exit: None,
        duration_us: 0,
        acted: None,
    }
}

/// The real plugin's path; a bare name lies beside the recorder's file.
fn plugin(recorder: &Recorder, file: &Path) -> Result<PathBuf, Failure> {
    let named = recorder.plugin.as_ref();
    let named = named.ok_or_else(|| Failure::Internal(format!("{} names no plugin for this call", file.display())))?;
    Ok(file.parent().unwrap_or(Path::new("/")).join(named))
}

/// Appends to the log in one write, so that calls side by side don't mix. What can't be noted is told, and the plugin
/// does its work all the same.
fn note(log: &str, recorded: &Recorded) {
    let noted = serde_json::to_string(recorded).map_err(io::Error::from).and_then(|line| {
        let mut file = File::options().append(true).create(true).open(log)?;
        file.write_all(format!("{line}\n").as_bytes())
    });
    if let Err(error) = noted {
        let _ = writeln!(io::stderr(), "plumbline-agent: note a call in {log}: {error}");
    }
}
