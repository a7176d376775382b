//! The shared machine: starting it, finding it, taking it down.
//!
//! Its record is in the state folder under its key, together with the console's text. The sockets are in a temporary
//! folder, because their paths must be short; the folder is removed when the emulator ends. Both are effects in the machine's
//! own journal. Every process that uses the machine holds that journal, so `gc` does not end the machine.

use super::channel::Channels;
use super::emulator::{self, EmulatorCommand};
use super::first_root::FirstRoot;
use super::kvm;
use super::settings::Settings;
use plumbline_testbed::cache::KeyMaker;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::exec::detach;
use plumbline_testbed::folders;
use plumbline_testbed::journal::{self, Effect, JournalHold, Run, start_time};
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::{Deadline, Look, until};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STAGE: &str = "start the virtual machine";
/// Raise this number with a change that older machines don't support.
const FORMAT: u32 = 2;
/// Interval between two checks for the emulator's sockets.
const LOOK: Duration = Duration::from_millis(10);
/// How long a machine that has closed its channels may take to end.
const ENDING: Duration = Duration::from_secs(20);
/// How many lines of the console an error shows.
const LAST_LINES: usize = 6;

/// The record of a started machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineRecord {
    /// The process that runs the emulator, leader of its own session.
    pid: u32,
    /// Its start time in clock ticks since boot.
    start: u64,
    /// Where its sockets are.
    pub sockets: PathBuf,
    /// Its journal.
    journal: String,
    /// How its processor runs, for the report.
    pub acceleration: String,
}

impl MachineRecord {
    /// Whether that very process still runs.
    pub fn is_running(&self) -> bool {
        journal::alive(self.pid, self.start)
    }

    /// Waits for the end of a machine that is about to end.
    ///
    /// # Errors
    /// [`TestbedError`] when it does not end.
    pub async fn ended(&self, deadline: Deadline) -> Result<(), TestbedError> {
        let look = async || Ok(if self.is_running() { Look::NotYet("it runs".to_owned()) } else { Look::There(()) });
        until(STAGE, "the end of the virtual machine", deadline.child(ENDING), LOOK, look).await
    }
}

/// The parts of a machine.
pub struct SharedMachine {
    /// The emulator's program.
    pub program: PathBuf,
    /// The settings.
    pub settings: Settings,
    /// Its first root.
    pub first_root: FirstRoot,
    key: String,
    /// The folder of this key below the state folder.
    pub folder: PathBuf,
}

/// A running machine. `gc` does not end it as long as this value exists.
pub struct RunningMachine {
    /// Its record.
    pub record: MachineRecord,
    _held: JournalHold,
}

impl SharedMachine {
    /// Makes the machine's key from all its parts.
    ///
    /// # Errors
    /// [`TestbedError`] when a part can't be read, or there is no state folder.
    pub fn new(program: PathBuf, settings: Settings, first_root: FirstRoot) -> Result<Self, TestbedError> {
        let key = KeyMaker::new("machine", FORMAT).part("settings", format!("{settings:?}").as_bytes());
        let key = first_root.add_to_key(key.part("program", program.to_string_lossy().as_bytes()))?.finish();
        let folder = folders::state()?.join("vm").join(key.short());
        std::fs::create_dir_all(&folder).at_stage(&format!("make folder {}", folder.display()))?;
        Ok(Self { program, settings, first_root, key: key.short().to_owned(), folder })
    }

    /// The channels of the machine.
    pub fn channels(&self) -> Channels {
        Channels { lease: format!("vm-{}", self.key), count: self.settings.channels }
    }

    /// Gives the running machine, or starts one. Also gives whether it was started.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be started.
    pub async fn ensure(&self, deadline: Deadline) -> Result<(RunningMachine, bool), TestbedError> {
        if let Some(running) = self.find_running()? {
            return Ok((running, false));
        }
        let _alone = Lease::take(&format!("vm-{}", self.key), Kind::Exclusive, deadline).await?;
        // Another process may have started it meanwhile.
        if let Some(running) = self.find_running()? {
            return Ok((running, false));
        }
        Ok((self.start(deadline).await?, true))
    }

    fn find_running(&self) -> Result<Option<RunningMachine>, TestbedError> {
        let Some(record) = read_record(&self.folder).filter(MachineRecord::is_running) else { return Ok(None) };
        // A machine that `gc` holds is about to end.
        let held = journal::hold(&record.journal).ok();
        Ok(held.map(|held| RunningMachine { record, _held: held }))
    }

    async fn start(&self, deadline: Deadline) -> Result<RunningMachine, TestbedError> {
        let journal = Run::begin("virtual machine")?;
        let sockets = tempfile::Builder::new().prefix("plumbline-vm-").tempdir().at_stage(STAGE)?.keep();
        journal.intend(Effect::Folder { path: sockets.clone() })?;
        let first_root = sockets.join("first-root.cpio");
        self.first_root.write(&first_root)?;
        let command = EmulatorCommand {
            program: &self.program,
            settings: &self.settings,
            guest: &self.first_root.guest,
            first_root: &first_root,
            sockets: &sockets,
            console: &self.folder.join("console.log"),
            channels: self.settings.channels,
            pairs: self.settings.interface_pairs,
            idle: self.settings.idle_seconds,
            acceleration: emulator::Acceleration::Tcg,
        };
        let trial =
            EmulatorCommand { channels: 0, pairs: 0, idle: 0, console: &sockets.join("kvm.console"), ..command };
        let note = self.folder.with_file_name("kvm.json");
        let kvm = kvm::choose_acceleration(&note, &trial).await?;
        let line = EmulatorCommand { acceleration: kvm.acceleration, ..command }.line()?;
        // The folder is removed when the emulator ends, also if no process of Plumbline runs any more.
        let tidy = "\"$@\"; code=$?; rm -rf -- \"$0\"; exit $code";
        let mut argv = vec!["sh".to_owned(), "-c".to_owned(), tidy.to_owned(), sockets.display().to_string()];
        argv.extend(line);
        let log_path = self.folder.join("emulator.log");
        let log = File::create(&log_path).at_stage(STAGE)?;
        let pid = detach(&argv, &[], &log).map_err(|error| error.testbed_error(STAGE))?;
        let start = start_time(pid).unwrap_or_default();
        journal.intend(Effect::Process { pid, start, what: "a virtual machine".to_owned() })?;
        let acceleration = format!("{:?}: {}", kvm.acceleration, kvm.reason);
        let record =
            MachineRecord { pid, start, sockets: sockets.clone(), journal: journal.id().to_owned(), acceleration };
        let last = emulator::socket(&sockets, self.settings.channels - 1);
        until(STAGE, "the emulator's sockets", deadline, LOOK, async || {
            if !record.is_running() {
                let log = std::fs::read_to_string(&log_path).unwrap_or_default();
                return Err(TestbedError::new(
                    STAGE,
                    format!("{} ended early: {}", self.program.display(), log.trim()),
                ));
            }
            Ok(if last.exists() { Look::There(()) } else { Look::NotYet("none".to_owned()) })
        })
        .await?;
        // From here on every process that uses the machine holds its journal. No process owns it.
        drop(journal);
        let held = journal::hold(&record.journal)?;
        write_record(&self.folder, &record)?;
        Ok(RunningMachine { record, _held: held })
    }

    /// The last lines of the guest's console.
    pub fn console_tail(&self) -> String {
        console_tail(&self.folder.join("console.log"))
    }
}

/// The last lines of a console.
pub(super) fn console_tail(console: &Path) -> String {
    let bytes = std::fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.len() {
        0 => "its console is empty".to_owned(),
        count => format!("its console ends with: {}", lines[count.saturating_sub(LAST_LINES)..].join(" | ")),
    }
}

fn record_file(folder: &Path) -> PathBuf {
    folder.join("record.json")
}

fn read_record(folder: &Path) -> Option<MachineRecord> {
    serde_json::from_slice(&std::fs::read(record_file(folder)).ok()?).ok()
}

fn write_record(folder: &Path, record: &MachineRecord) -> Result<(), TestbedError> {
    let (path, beside) = (record_file(folder), folder.join("record.new"));
    let text = serde_json::to_vec_pretty(record).at_stage(STAGE)?;
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &path)).at_stage(STAGE)
}

/// Takes down every machine of Plumbline, used or not. Gives the name of each.
///
/// # Errors
/// [`TestbedError`] when one does not go.
pub async fn down() -> Result<Vec<String>, TestbedError> {
    let mut gone = Vec::new();
    let Ok(entries) = std::fs::read_dir(folders::state()?.join("vm")) else { return Ok(gone) };
    for folder in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Some(record) = read_record(&folder).filter(MachineRecord::is_running) else { continue };
        journal::undo_local_effects(&record.journal).await?;
        gone.push(format!("virtual machine (process {})", record.pid));
    }
    Ok(gone)
}
