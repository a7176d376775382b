//! Mode `record`: runs instead of a plugin, under its name, records each call and injects faults
//! ([`plumbline_core::record`]).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{getpid, pause};
use plumbline_core::cni::Exit;
use plumbline_core::record::{InjectedFault, RECORDER_SUFFIX, RecordedCall, Recorder};

use crate::error::EndError;
use crate::process::run::read_exit;
use crate::process::start::new_command;

/// The variable that names the recorder's file, where that is not beside the program.
const FILE_VARIABLE: &str = "PLUMBLINE_RECORD";

/// The recorder's file, if this program was started instead of a plugin.
pub fn find_recorder_file(program: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(FILE_VARIABLE) {
        return Some(named.into());
    }
    // A runtime starts a plugin by its path; a bare name was found in a search path and is no plugin.
    let beside = PathBuf::from(format!("{program}{RECORDER_SUFFIX}"));
    (program.contains('/') && beside.is_file()).then_some(beside)
}

/// Records one call; returns the exit code of the plugin.
///
/// # Errors
/// [`EndError::Internal`] when the recorder's file cannot be used.
pub fn record_call(file: &Path) -> Result<u8, EndError> {
    let internal = |what: &str, error: &dyn std::fmt::Display| EndError::Internal(format!("{what}: {error}"));
    let text = fs::read(file).map_err(|error| internal(&format!("read {}", file.display()), &error))?;
    let recorder: Recorder =
        serde_json::from_slice(&text).map_err(|error| internal(&format!("read {}", file.display()), &error))?;
    let mut stdin = Vec::new();
    io::stdin().read_to_end(&mut stdin)?;

    let env = |name: &str| std::env::var(name).unwrap_or_default();
    let rule = recorder.find_fault(&env("CNI_COMMAND"), &env("CNI_IFNAME")).cloned();
    let mut recorded = new_record(&stdin);
    let output = match &rule {
        Some(rule) if !rule.after => None,
        _ => {
            let plugin = plugin_path(&recorder, file)?;
            Some(run_plugin(&plugin, &stdin, &mut recorded)?)
        }
    };
    recorded.injected = rule.as_ref().map(|rule| rule.fault.clone());
    if let (Some(InjectedFault::Exit { stdout, stderr, .. }), None) = (&recorded.injected, &output) {
        (recorded.stdout, recorded.stderr) = (stdout.clone(), stderr.clone());
    }
    append_to_log(&recorder.log, &recorded);
    match (rule, output) {
        (Some(rule), _) => inject_fault(&rule.fault),
        (None, Some(output)) => pass_on(&output),
        (None, None) => Err(EndError::Internal("neither a plugin nor a fault".to_owned())),
    }
}

fn new_record(stdin: &[u8]) -> RecordedCall {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    RecordedCall {
        at_us: u64::try_from(at.as_micros()).unwrap_or(u64::MAX),
        argv: std::env::args().collect(),
        // Other variables may be secrets.
        env: std::env::vars().filter(|(name, _)| name.starts_with("CNI_") || name == "PATH").collect(),
        stdin: String::from_utf8_lossy(stdin).into_owned(),
        stdout: String::new(),
        stderr: String::new(),
        exit: None,
        duration_us: 0,
        injected: None,
    }
}

/// The real plugin's path; a bare name is relative to the recorder's file.
fn plugin_path(recorder: &Recorder, file: &Path) -> Result<PathBuf, EndError> {
    let named = recorder.plugin.as_ref();
    let named =
        named.ok_or_else(|| EndError::Internal(format!("{}: plugin is missing for this call", file.display())))?;
    Ok(file.parent().unwrap_or(Path::new("/")).join(named))
}

/// Appends to the log in one write, so that simultaneous calls do not mix. An error is printed, and the plugin runs all the
/// same.
fn append_to_log(log: &str, recorded: &RecordedCall) {
    let written = serde_json::to_string(recorded).map_err(io::Error::from).and_then(|line| {
        let mut file = File::options().append(true).create(true).open(log)?;
        file.write_all(format!("{line}\n").as_bytes())
    });
    if let Err(error) = written {
        let _ = writeln!(io::stderr(), "plumbline-agent: record a call in {log}: {error}");
    }
}

/// The mode of [`become_plugin`].
pub const PLUGIN_MODE: &str = "record-plugin";

/// Runs the plugin to its end with the arguments and environment of this process, and records its output and exit code.
///
/// # Errors
/// [`EndError::Internal`] when it cannot be started: the recorder's file is wrong then.
fn run_plugin(plugin: &Path, stdin: &[u8], recorded: &mut RecordedCall) -> Result<Output, EndError> {
    // A file, not a pipe: a plugin that reads late, or never, does not block this process.
    let mut input: File = memfd_create("plugin-stdin", MFdFlags::MFD_CLOEXEC).map_err(io::Error::from)?.into();
    input.write_all(stdin)?;
    input.rewind()?;
    let start = Instant::now();
    let mut command = new_command("/proc/self/exe");
    command.args([OsStr::new(PLUGIN_MODE), plugin.as_os_str()]).args(std::env::args_os().skip(1));
    let output = command.stdin(Stdio::from(input)).output();
    let output = output.map_err(|error| EndError::Internal(format!("start {}: {error}", plugin.display())))?;
    recorded.duration_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    recorded.stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    recorded.stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    recorded.exit = Some(read_exit(output.status));
    Ok(output)
}

/// Replaces this process by the plugin, which ends with the recorder: a runtime at its deadline kills only the process that
/// it started.
///
/// # Errors
/// [`EndError::Internal`] when it cannot be started.
pub fn become_plugin(arguments: &[String]) -> Result<u8, EndError> {
    let [plugin, rest @ ..] = arguments else {
        return Err(EndError::Usage(format!("{PLUGIN_MODE}: started by mode `record` only")));
    };
    set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)?;
    let error = new_command(plugin).args(rest).exec();
    Err(EndError::Internal(format!("start {plugin}: {error}")))
}

/// Prints the output of the plugin and ends as it ended.
fn pass_on(output: &Output) -> Result<u8, EndError> {
    print_output(&output.stdout, &output.stderr)?;
    match read_exit(output.status) {
        Exit::Signal(signal) => end_by_signal(signal),
        Exit::Code(code) => Ok(u8::try_from(code).unwrap_or(u8::MAX)),
        Exit::Deadline(_) | Exit::NotStarted(_) => Ok(u8::MAX),
    }
}

/// Injects a fault; returns the exit code where it has one.
fn inject_fault(fault: &InjectedFault) -> Result<u8, EndError> {
    match fault {
        InjectedFault::Exit { code, stdout, stderr } => {
            print_output(stdout.as_bytes(), stderr.as_bytes()).map(|()| *code)
        }
        InjectedFault::Signal(number) => end_by_signal(*number),
        InjectedFault::Hang => loop {
            pause();
        },
    }
}

/// Prints both streams unchanged.
fn print_output(stdout: &[u8], stderr: &[u8]) -> Result<(), EndError> {
    io::stderr().write_all(stderr)?;
    io::stdout().write_all(stdout)?;
    Ok(io::stdout().flush()?)
}

/// Ends this process by a signal.
fn end_by_signal(number: i32) -> Result<u8, EndError> {
    let signal =
        Signal::try_from(number).map_err(|_| EndError::Internal(format!("signal: unknown number {number}")))?;
    // The standard library handles two signals, for its message on stack overflows, and removes its handler at the first.
    for _ in 0..2 {
        kill(getpid(), signal).map_err(io::Error::from)?;
    }
    Err(EndError::Internal(format!("{signal} did not end this process")))
}
