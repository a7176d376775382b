//! Booting: from the kernel's first root to the disk.

use std::fs::{self, File};
use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::poll::{PollTimeout, poll};
use nix::unistd::{chdir, chroot, sethostname};
use plumbline_core::guest::{CHANNELS, GIVEN, IDLE, order_modules};

use super::error::{GuestError, print_on_console};
use crate::node::mounts::{bind_mount, create_folder, mount_filesystem};

/// The first virtio disk.
const DISK: &str = "/dev/vda";
/// The mount point of the disk until it is the root.
const ROOT: &str = "/disk";
/// Files from the host in the first root, beside the agent.
const HOST_FILES: &str = "/given";
/// How long a device may take to appear after its modules are loaded.
const DEVICE_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes the disk the root and returns the settings of the kernel's command line.
///
/// # Errors
/// The step that failed; the machine can only be switched off then.
pub fn boot() -> Result<Settings, GuestError> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for (kind, at, flags) in
        [("devtmpfs", "/dev", MsFlags::MS_NOSUID), ("proc", "/proc", plain), ("sysfs", "/sys", plain)]
    {
        create_folder(at).and_then(|()| mount_filesystem(kind, at, flags, None))?;
    }
    let settings = Settings::parse(&read_file("/proc/cmdline")?)?;
    load_early_modules()?;
    wait_for(DISK, || Path::new(DISK).exists().then_some(()))?;
    create_folder(ROOT)?;
    mount(Some(DISK), ROOT, Some("ext4"), MsFlags::MS_RDONLY | MsFlags::MS_NOATIME, None::<&str>)
        .map_err(|errno| GuestError::new(format!("mount {DISK}"), errno))?;
    if Path::new(HOST_FILES).is_dir() {
        bind_mount(Path::new(HOST_FILES), &format!("{ROOT}{GIVEN}"))?;
    }
    switch_root().map_err(|errno| GuestError::new("make the disk the root", errno))?;
    for at in ["/run", "/tmp", "/var/lib", "/var/log", "/root"] {
        mount_filesystem("tmpfs", at, MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=755"))?;
    }
    let _ = sethostname("plumbline-guest");
    if let Err(error) = load_common_modules() {
        // A scenario that needs the module reports that it is missing.
        print_on_console(&error.to_string());
    }
    Ok(settings)
}

/// Works as `switch_root(8)`. The kernel's threads have the same root as this process, so they find `modprobe` on the disk
/// afterwards.
fn switch_root() -> nix::Result<()> {
    for name in ["dev", "proc", "sys"] {
        let to = format!("{ROOT}/{name}");
        mount(Some(Path::new("/").join(name).as_path()), to.as_str(), None::<&str>, MsFlags::MS_MOVE, None::<&str>)?;
    }
    chdir(ROOT)?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)?;
    chroot(".")?;
    chdir("/")
}

/// Waits for something that the kernel creates, such as a device.
///
/// # Errors
/// Its name, when it did not appear in time.
pub fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> Result<T, GuestError> {
    let start = Instant::now();
    loop {
        if let Some(found) = find() {
            return Ok(found);
        }
        if start.elapsed() > DEVICE_TIMEOUT {
            let cause = format!("it did not appear within {} s", DEVICE_TIMEOUT.as_secs());
            return Err(GuestError::new(format!("wait for {what}"), cause));
        }
        // Polling is simpler than reading the kernel's device events, and as good for this short time.
        let _ = poll(&mut [], PollTimeout::from(5_u8));
    }
}

/// The folder in the first root of modules that are loaded before the disk appears, in the order of their names.
const EARLY_MODULES: &str = "/early";
/// The list on the disk of modules that are loaded at the start: one name a line.
const COMMON_MODULES: &str = "/plumbline/modules";

/// Loads the modules of the disk.
///
/// # Errors
/// The file, and what the kernel gives.
fn load_early_modules() -> Result<(), GuestError> {
    let entries =
        fs::read_dir(EARLY_MODULES).map_err(|error| GuestError::new(format!("list {EARLY_MODULES}"), error))?;
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.sort();
    files.iter().try_for_each(|file| load_module(file))
}

/// Loads modules that most plugins and probes need. The kernel loads all others by `modprobe` on demand.
///
/// # Errors
/// The first module that cannot be loaded; those before it stay loaded.
fn load_common_modules() -> Result<(), GuestError> {
    let wanted: Vec<String> = read_file(COMMON_MODULES)?.lines().map(str::trim).map(str::to_owned).collect();
    let wanted: Vec<String> = wanted.into_iter().filter(|name| !name.is_empty()).collect();
    let folder = format!("/lib/modules/{}", read_file("/proc/sys/kernel/osrelease")?.trim());
    let files = order_modules(&read_file(&format!("{folder}/modules.dep"))?, &wanted)
        .map_err(|missing| GuestError::new("load modules", format!("this kernel has no {}", missing.join(", "))))?;
    files.iter().try_for_each(|file| load_module(&Path::new(&folder).join(file)))
}

fn read_file(path: &str) -> Result<String, GuestError> {
    fs::read_to_string(path).map_err(|error| GuestError::new(format!("read {path}"), error))
}

fn load_module(path: &Path) -> Result<(), GuestError> {
    let file = File::open(path).map_err(|error| GuestError::new(format!("open {}", path.display()), error))?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(GuestError::new(format!("load {}", path.display()), errno)),
    }
}

/// How long the machine stays on without a session by default.
const DEFAULT_IDLE: Duration = Duration::from_secs(120);

/// The settings on the kernel's command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long the machine stays on without a session.
    pub idle: Duration,
    /// How many channels there are.
    pub channels: usize,
}

impl Settings {
    /// Parses the command line; words of other programs are ignored.
    ///
    /// # Errors
    /// The setting that is no number.
    pub fn parse(line: &str) -> Result<Self, GuestError> {
        let mut settings = Self { idle: DEFAULT_IDLE, channels: 1 };
        for word in line.split_whitespace() {
            let Some((name, value)) = word.split_once('=') else { continue };
            let wrong = |error: ParseIntError| GuestError::new(format!("kernel command line: {word}"), error);
            match name {
                IDLE => settings.idle = Duration::from_secs(value.parse().map_err(wrong)?),
                CHANNELS => settings.channels = value.parse().map_err(wrong)?,
                _ => {}
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_other_programs_are_ignored() {
        let parsed = Settings::parse("console=ttyS0 quiet plumbline.idle=7 plumbline.channels=3 panic=-1\n").unwrap();
        assert_eq!(parsed, Settings { idle: Duration::from_secs(7), channels: 3 });
        assert!(Settings::parse("plumbline.idle=soon").is_err());
    }

    proptest! {
        #[test]
        fn no_command_line_makes_the_parser_panic(line in "(plumbline\\.(idle|channels)=[0-9a-z-]{0,24} ?|\\PC{0,8}){0,6}") {
            let _ = Settings::parse(&line);
        }
    }
}
