//! Finds or installs qemu, and makes its command line.

use super::settings::{Emulator, Settings};
use crate::context::Context;
use plumbline_core::event::Event;
use plumbline_core::guest::{CHANNEL, CHANNELS, IDLE, paired as guest_mac};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::images::guest;
use plumbline_testbed::packages::{self, Note};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STAGE: &str = "find an emulator";
/// The scope of the events of an installation.
const SCOPE: &str = "vm";

/// The emulator in the user's PATH or the system's own folders. None if it is not installed.
pub fn installed(emulator: &Emulator) -> Option<PathBuf> {
    find_program(&emulator.program)
}

fn find_program(program: &str) -> Option<PathBuf> {
    let path = packages::path();
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|file| file.is_file())
}

/// The installation step, as a line. None if this host has no apt-get or this user is not root.
pub fn install_step(emulator: &Emulator) -> Option<String> {
    let may = nix::unistd::geteuid().is_root() && find_program("apt-get").is_some();
    may.then(|| format!("install packages of this host's distribution: {} (apt-get)", emulator.packages.join(" ")))
}

/// Gives the emulator. Installs it if it is missing and the user has agreed.
///
/// # Errors
/// [`TestbedError`] with what is missing and what to do.
pub async fn ensure(cx: &Context, settings: &Settings) -> Result<PathBuf, TestbedError> {
    let emulator = settings.emulator()?;
    if let Some(path) = installed(emulator) {
        return Ok(path);
    }
    let missing = format!("{} is not installed", emulator.program);
    let by_hand = format!("install {} (on Debian and Ubuntu: {})", emulator.program, emulator.packages.join(" "));
    let Some(step) = install_step(emulator) else {
        return Err(TestbedError::new(STAGE, missing).with_hint(by_hand));
    };
    let events = cx.events.clone();
    let note: Note = Arc::new(move |line: &str| {
        let (scope, step) = (SCOPE.to_owned(), "emulator".to_owned());
        events(Event::StepNote { scope, step, note: line.to_owned() });
    });
    note(&format!("{missing}; next: {step}"));
    if !cx.options.may_install {
        let cause = format!("{missing}; plumbline would {step}");
        return Err(TestbedError::new(STAGE, cause).with_hint(format!("run with --yes, or {by_hand}")));
    }
    let apt = async |args: Vec<String>, deadline| packages::apt(&args, deadline, &note).await;
    let done = async {
        apt(vec!["update".to_owned()], settings.deadlines.update).await?;
        apt(packages::install_line(&emulator.packages), settings.deadlines.install).await
    };
    done.await.map_err(|error| error.testbed_error("install the emulator").with_hint(by_hand.clone()))?;
    installed(emulator)
        .ok_or_else(|| TestbedError::new(STAGE, format!("{missing} after the installation")).with_hint(by_hand))
}

/// How the guest's processor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acceleration {
    /// On the host's processor.
    Kvm,
    /// Emulated.
    Tcg,
}

/// The command line of a machine.
#[derive(Debug, Clone, Copy)]
pub struct EmulatorCommand<'a> {
    /// The emulator's program.
    pub program: &'a Path,
    /// The settings.
    pub settings: &'a Settings,
    /// The folder with kernel and disk.
    pub guest: &'a Path,
    /// The first root.
    pub first_root: &'a Path,
    /// Where the sockets of the channels are made, by number.
    pub sockets: &'a Path,
    /// Where the console is written.
    pub console: &'a Path,
    /// How many channels.
    pub channels: u32,
    /// How many pairs of network interfaces.
    pub pairs: u8,
    /// After how many seconds without a session it powers off.
    pub idle: u64,
    /// How its processor runs.
    pub acceleration: Acceleration,
}

fn format_mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Where the socket of a channel is.
pub fn socket(sockets: &Path, number: u32) -> PathBuf {
    sockets.join(number.to_string())
}

impl EmulatorCommand<'_> {
    /// The command line.
    ///
    /// # Errors
    /// [`TestbedError`] where there is no emulator for this host.
    pub fn line(&self) -> Result<Vec<String>, TestbedError> {
        let emulator = self.settings.emulator()?;
        let (acceleration, processor) = match self.acceleration {
            Acceleration::Kvm => ("kvm", "host"),
            // Translated code is kept, because the machine runs the same few programs repeatedly.
            Acceleration::Tcg => ("tcg,tb-size=128", emulator.processor.as_str()),
        };
        let shown = |path: &Path| path.display().to_string();
        // A panic or an oops ends the machine at once: results of a broken kernel are worthless.
        let kernel = format!(
            "console={} {} panic=-1 oops=panic rdinit=/init {IDLE}={} {CHANNELS}={} -- guest",
            emulator.console,
            self.settings.kernel.join(" "),
            self.idle,
            self.channels
        );
        let mut line = vec![shown(self.program)];
        let mut add = |words: &[&str]| line.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none"]);
        add(&["-machine", &emulator.machine, "-accel", acceleration, "-cpu", processor]);
        add(&["-m", &self.settings.memory_mib.to_string(), "-smp", &self.settings.processors.to_string()]);
        add(&["-kernel", &shown(&self.guest.join(guest::KERNEL)), "-initrd", &shown(self.first_root)]);
        add(&["-append", &kernel]);
        add(&["-serial", &format!("file:{}", shown(self.console))]);
        let disk = shown(&self.guest.join(guest::DISK));
        // Several machines may read one disk; a comma in a path is doubled for qemu.
        let disk = disk.replace(',', ",,");
        add(&["-drive", &format!("file={disk},if=none,id=disk,format=raw,readonly=on,cache=unsafe,file.locking=off")]);
        add(&["-device", "virtio-blk-pci,drive=disk"]);
        add(&["-device", &format!("virtio-serial-pci,max_ports={}", self.channels + 1)]);
        for number in 0..self.channels {
            let path = shown(&socket(self.sockets, number)).replace(',', ",,");
            add(&["-chardev", &format!("socket,id=channel{number},path={path},server=on,wait=off")]);
            add(&["-device", &format!("virtserialport,chardev=channel{number},name={CHANNEL}{number}")]);
        }
        for pair in 0..self.pairs {
            for end in 0..2_u8 {
                // A hub is a cable within the emulator. No boot program is loaded, because its package may be missing.
                let (id, mac) = (format!("pair{pair}-{end}"), format_mac(guest_mac(pair, end)));
                add(&["-netdev", &format!("hubport,id={id},hubid={pair}")]);
                add(&["-device", &format!("virtio-net-pci,netdev={id},mac={mac},romfile=")]);
            }
        }
        Ok(line)
    }
}
