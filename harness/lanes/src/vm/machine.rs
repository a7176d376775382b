//! The machine that all share: starting it, finding it again, taking it down.
//!
//! Its record lies in the state folder under its key, together with the console's text. The sockets are in a folder for
//! temporary files, since their paths may not be long; it goes when the emulator ends. A journal of its own tells `gc`
//! of both, and everybody who uses the machine holds that journal, so that `gc` leaves it alone.

use super::channel::Channels;
use super::emulator::{self, Machine};
use super::given::Given;
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
/// Raised when the way a machine is started changes so much that an older one must not be used.
const FORMAT: u32 = 2;
/// Between two looks for the emulator's sockets.
const LOOK: Duration = Duration::from_millis(10);
/// How long a machine that has closed its channels may take to end.
const ENDING: Duration = Duration::from_secs(20);
/// How much of the console is told when the machine has ended.
const LAST_LINES: usize = 6;

/// What is noted of a machine that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The process that runs the emulator, leader of its own session.
    pid: u32,
    /// Its start time in clock ticks since boot.
    start: u64,
    /// Where its sockets are.
    pub sockets: PathBuf,
    /// Its journal.
    journal: String,
    /// How it runs, for people.
    pub runs: String,
}

impl Record {
    /// Whether that very process still runs.
    #[must_use]
    pub fn alive(&self) -> bool {
        journal::alive(self.pid, self.start)
    }

    /// Waits for the end of one that was seen ending.
    ///
    /// # Errors
    /// [`TestbedError`] when it goes on all the same.
    pub async fn ended(&self, deadline: Deadline) -> Result<(), TestbedError> {
        let look = async || Ok(if self.alive() { Look::NotYet("it runs".to_owned()) } else { Look::There(()) });
        until(STAGE, "the end of a virtual machine that hung up", deadline.child(ENDING), LOOK, look).await
    }
}

/// What machines are made from here.
pub struct Shared {
    /// The emulator's program.
    pub program: PathBuf,
    /// The settings.
    pub settings: Settings,
    /// What goes in.
    pub given: Given,
    key: String,
    /// The folder of this key below the state folder.
    pub folder: PathBuf,
}

/// A machine that runs, and is kept from `gc` as long as this is held.
pub struct Running {
    /// What is noted of it.
    pub record: Record,
    _held: JournalHold,
}

impl Shared {
    /// Names the machine by all that it is made from.
    ///
    /// # Errors
    /// [`TestbedError`] when a part can't be read, or there is no state folder.
    pub fn new(program: PathBuf, settings: Settings, given: Given) -> Result<Self, TestbedError> {
        let key = KeyMaker::new("machine", FORMAT).part("settings", format!("{settings:?}").as_bytes());
        let key = given.key(key.part("program", program.to_string_lossy().as_bytes()))?.finish();
        let folder = folders::state()?.join("vm").join(key.short());
        std::fs::create_dir_all(&folder).at_stage(&format!("make folder {}", folder.display()))?;
        Ok(Self { program, settings, given, key: key.short().to_owned(), folder })
    }

    /// The channels of the machine.
    #[must_use]
    pub fn channels(&self) -> Channels {
        Channels { lease: format!("vm-{}", self.key), count: self.settings.channels }
    }

    /// The machine, started where none runs. Says whether it was.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be started.
    pub async fn ensure(&self, deadline: Deadline) -> Result<(Running, bool), TestbedError> {
        if let Some(running) = self.running()? {
            return Ok((running, false));
        }
        let _alone = Lease::take(&format!("vm-{}", self.key), Kind::Exclusive, deadline).await?;
        // Another process may have started it while we waited.
        if let Some(running) = self.running()? {
            return Ok((running, false));
        }
        Ok((self.start(deadline).await?, true))
    }

    fn running(&self) -> Result<Option<Running>, TestbedError> {
        let Some(record) = read(&self.folder).filter(Record::alive) else { return Ok(None) };
        // Where `gc` has it, it is about to go.
        let held = journal::hold(&record.journal).ok();
        Ok(held.map(|held| Running { record, _held: held }))
    }

    async fn start(&self, deadline: Deadline) -> Result<Running, TestbedError> {
        let journal = Run::begin("virtual machine")?;
        let sockets = tempfile::Builder::new().prefix("plumbline-vm-").tempdir().at_stage(STAGE)?.keep();
        journal.intend(Effect::Folder { path: sockets.clone() })?;
        let first_root = sockets.join("first-root.cpio");
        self.given.write(&first_root)?;
        let machine = Machine {
            program: &self.program,
            settings: &self.settings,
            guest: &self.given.guest,
            first_root: &first_root,
            sockets: &sockets,
            console: &self.folder.join("console.log"),
            channels: self.settings.channels,
            pairs: self.settings.interface_pairs,
            idle: self.settings.idle_seconds,
            acceleration: emulator::Acceleration::Tcg,
        };
        let trial = Machine { channels: 0, pairs: 0, idle: 0, console: &sockets.join("kvm.console"), ..machine };
        let note = self.folder.with_file_name("kvm.json");
        let kvm = kvm::known(&note, &trial).await?;
        let line = Machine { acceleration: kvm.acceleration, ..machine }.line()?;
        // The folder goes with the emulator, also when nobody of us is there any more.
        let tidy = "\"$@\"; code=$?; rm -rf -- \"$0\"; exit $code";
        let mut argv = vec!["sh".to_owned(), "-c".to_owned(), tidy.to_owned(), sockets.display().to_string()];
        argv.extend(line);
        let log_path = self.folder.join("emulator.log");
        let log = File::create(&log_path).at_stage(STAGE)?;
        let pid = detach(&argv, &[], &log).map_err(|error| error.testbed_error(STAGE))?;
        let start = start_time(pid).unwrap_or_default();
        journal.intend(Effect::Process { pid, start, what: "a virtual machine".to_owned() })?;
        let runs = format!("{:?}: {}", kvm.acceleration, kvm.seen);
        let record = Record { pid, start, sockets: sockets.clone(), journal: journal.id().to_owned(), runs };
        let last = emulator::socket(&sockets, self.settings.channels - 1);
        until(STAGE, "the emulator's sockets", deadline, LOOK, async || {
            if !record.alive() {
                let said = std::fs::read_to_string(&log_path).unwrap_or_default();
                return Err(TestbedError::new(
                    STAGE,
                    format!("{} ended at once: {}", self.program.display(), said.trim()),
                ));
            }
            Ok(if last.exists() { Look::There(()) } else { Look::NotYet("they are not there".to_owned()) })
        })
        .await?;
        // From here on whoever uses the machine holds its journal, and nobody owns it.
        drop(journal);
        let held = journal::hold(&record.journal)?;
        write(&self.folder, &record)?;
        Ok(Running { record, _held: held })
    }

    /// The last of what the guest's kernel and init said.
    #[must_use]
    pub fn last_words(&self) -> String {
        last_words(&self.folder.join("console.log"))
    }
}

/// The last lines of a console.
pub(super) fn last_words(console: &Path) -> String {
    let bytes = std::fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.len() {
        0 => "its console said nothing".to_owned(),
        count => format!("its console said: {}", lines[count.saturating_sub(LAST_LINES)..].join(" | ")),
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("record.json")
}

fn read(folder: &Path) -> Option<Record> {
    serde_json::from_slice(&std::fs::read(file(folder)).ok()?).ok()
}

fn write(folder: &Path, record: &Record) -> Result<(), TestbedError> {
    let (path, beside) = (file(folder), folder.join("record.new"));
    let text = serde_json::to_vec_pretty(record).at_stage(STAGE)?;
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &path)).at_stage(STAGE)
}

/// Takes down every machine of ours, used or not. Gives one line for each.
///
/// # Errors
/// [`TestbedError`] when one does not go.
pub async fn down() -> Result<Vec<String>, TestbedError> {
    let mut gone = Vec::new();
    let Ok(entries) = std::fs::read_dir(folders::state()?.join("vm")) else { return Ok(gone) };
    for folder in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Some(record) = read(&folder).filter(Record::alive) else { continue };
        journal::undo(&record.journal).await?;
        gone.push(format!("virtual machine (process {})", record.pid));
    }
    Ok(gone)
}
