//! From the kernel's first root to the disk's.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::poll::{PollTimeout, poll};
use nix::unistd::{chdir, chroot, sethostname};
use plumbline_core::guest::GIVEN;

use super::settings::Settings;
use super::{modules, tell};
use crate::node::mounts::{Refused, bind, folder, fresh};

/// The disk, as virtio names the first one.
const DISK: &str = "/dev/vda";
/// Where it is mounted until it is the root.
const ROOT: &str = "/disk";
/// What the host gave beside the agent, in the first root.
const FROM_HOST: &str = "/given";
/// How long devices may take to appear once their modules are loaded.
const APPEAR: Duration = Duration::from_secs(10);

/// Makes the disk the root and gives what the command line says.
///
/// # Errors
/// The step that failed; nothing can be done then but to switch off.
pub fn boot() -> Result<Settings, String> {
    let told = |refused: Refused| format!("{}: {}", refused.doing, refused.cause);
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for (kind, at, flags) in
        [("devtmpfs", "/dev", MsFlags::MS_NOSUID), ("proc", "/proc", plain), ("sysfs", "/sys", plain)]
    {
        folder(at).and_then(|()| fresh(kind, at, flags, None)).map_err(told)?;
    }
    let line = fs::read_to_string("/proc/cmdline").map_err(|error| format!("read /proc/cmdline: {error}"))?;
    let settings = Settings::read(&line)?;
    modules::early()?;
    appeared(DISK, || Path::new(DISK).exists().then_some(()))?;
    folder(ROOT).map_err(told)?;
    mount(Some(DISK), ROOT, Some("ext4"), MsFlags::MS_RDONLY | MsFlags::MS_NOATIME, None::<&str>)
        .map_err(|errno| format!("mount {DISK}: {errno}"))?;
    if Path::new(FROM_HOST).is_dir() {
        bind(Path::new(FROM_HOST), &format!("{ROOT}{GIVEN}")).map_err(told)?;
    }
    enter().map_err(|errno| format!("make the disk the root: {errno}"))?;
    for at in ["/run", "/tmp", "/var/lib", "/var/log", "/root"] {
        fresh("tmpfs", at, MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=755")).map_err(told)?;
    }
    let _ = sethostname("plumbline-guest");
    if let Err(cause) = modules::usual() {
        // Whoever needs it will be told that it is not there.
        tell(&cause);
    }
    Ok(settings)
}

/// As `switch_root(8)` does it. The kernel's own threads share this process's idea of the root, so `modprobe` is found
/// on the disk from now on.
fn enter() -> nix::Result<()> {
    for name in ["dev", "proc", "sys"] {
        let to = format!("{ROOT}/{name}");
        mount(Some(Path::new("/").join(name).as_path()), to.as_str(), None::<&str>, MsFlags::MS_MOVE, None::<&str>)?;
    }
    chdir(ROOT)?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)?;
    chroot(".")?;
    chdir("/")
}

/// Looks until something is there that the kernel makes by itself.
///
/// # Errors
/// Its name, when it did not appear in time.
pub fn appeared<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, String> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if start.elapsed() > APPEAR {
            return Err(format!("{what} did not appear within {} s", APPEAR.as_secs()));
        }
        // There is no event to wait for before somebody listens to the kernel's messages.
        let _ = poll(&mut [], PollTimeout::from(5_u8));
    }
}
