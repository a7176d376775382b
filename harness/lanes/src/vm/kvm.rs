//! Whether KVM works here: a guest is started with it and has to switch itself off within a deadline.
//!
//! That its device is there says little: in some virtual machines and containers a guest never runs its first
//! instruction. The trial is made once for each boot of the host and each emulator.

use super::emulator::{Acceleration, Machine};
use plumbline_bed::broken::{AtStage as _, Broken};
use plumbline_bed::exec::detach;
use plumbline_bed::journal::{Effect, Run, start_time};
use plumbline_bed::wait::{Deadline, pause};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

/// The device.
const DEVICE: &str = "/dev/kvm";
/// What a guest says before it switches itself off (the agent's mode `guest`): it has run, to its end.
const LAST_WORDS: &str = "nobody has used this machine";
/// Between two looks whether the emulator has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What is known of KVM on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Since when the host runs, and which emulator it was.
    of: String,
    /// What is used.
    pub acceleration: Acceleration,
    /// Why.
    pub seen: String,
}

/// Which acceleration works, by what is noted in `note`, or by trying. `machine` is one that switches itself off at once.
///
/// # Errors
/// [`Broken`] only where the trial itself can't be made.
pub async fn known(note: &Path, machine: &Machine<'_>) -> Result<Known, Broken> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let of = format!("{} {}", boot.trim(), machine.program.display());
    if let Err(error) = OpenOptions::new().read(true).write(true).open(DEVICE) {
        return Ok(Known { of, acceleration: Acceleration::Tcg, seen: format!("{DEVICE}: {error}") });
    }
    let noted = std::fs::read(note).ok().and_then(|bytes| serde_json::from_slice::<Known>(&bytes).ok());
    if let Some(noted) = noted.filter(|noted| noted.of == of) {
        return Ok(noted);
    }
    let seen = tried(machine).await?;
    let known = match seen {
        Ok(seen) => Known { of, acceleration: Acceleration::Kvm, seen },
        Err(seen) => Known { of, acceleration: Acceleration::Tcg, seen },
    };
    std::fs::write(note, serde_json::to_vec(&known).at_stage("note KVM")?).at_stage("note KVM")?;
    Ok(known)
}

/// Tries it; the inner error says why it does not work.
async fn tried(machine: &Machine<'_>) -> Result<Result<String, String>, Broken> {
    const STAGE: &str = "try KVM";
    let line = Machine { acceleration: Acceleration::Kvm, ..*machine }.line()?;
    let journal = Run::begin("trial of KVM")?;
    let log_path = machine.sockets.join("kvm.log");
    let log = File::create(&log_path).at_stage(STAGE)?;
    let deadline = Deadline::after(machine.settings.deadlines.kvm());
    let pid = detach(&line, &[], &log).map_err(|error| error.broken(STAGE))?;
    let start = start_time(pid).unwrap_or_default();
    let effect = journal.intend(Effect::Process { pid, start, what: "a trial of KVM".to_owned() })?;
    while start_time(pid).is_some() && !deadline.over() {
        pause(LOOK).await;
    }
    if start_time(pid).is_some() {
        // Nobody waits for its end: a process that hangs in the kernel does not even die.
        journal.unwind(&[]).await;
        return Ok(Err(format!(
            "a guest with KVM did not end within {} s",
            machine.settings.deadlines.kvm().as_secs()
        )));
    }
    journal.done(effect)?;
    let said = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    if said(machine.console).contains(LAST_WORDS) {
        return Ok(Ok(format!("a guest ran and ended in {} ms", deadline.elapsed().as_millis())));
    }
    let words = said(&log_path);
    Ok(Err(format!("a guest with KVM ended early: {}", words.lines().last().unwrap_or("no word of why"))))
}
