//! Whether KVM works here: a guest is started with it and has to switch itself off within a deadline.
//!
//! That its device is there says little: in some virtual machines and containers a guest never runs its first
//! instruction. The trial is made once for each boot of the host and each emulator.

use super::emulator::{Acceleration, Machine};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::exec::detach;
use plumbline_testbed::journal::{Effect, Run, start_time};
use plumbline_testbed::wait::{Deadline, pause};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

/// The device.
const DEVICE: &str = "/dev/kvm";
/// What a guest says before it switches itself off (the agent's mode `guest`): it has run, to its end.
const LAST_WORDS: &str = "no session for";
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
/// [`TestbedError`] only where the trial itself can't be made.
pub async fn known(note: &Path, machine: &Machine<'_>) -> Result<Known, TestbedError> {
    settled(Path::new(DEVICE), note, machine).await
}

async fn settled(device: &Path, note: &Path, machine: &Machine<'_>) -> Result<Known, TestbedError> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let of = format!("{} {}", boot.trim(), machine.program.display());
    if let Err(error) = OpenOptions::new().read(true).write(true).open(device) {
        let seen = format!("{}: {error}", device.display());
        return Ok(Known { of, acceleration: Acceleration::Tcg, seen });
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
async fn tried(machine: &Machine<'_>) -> Result<Result<String, String>, TestbedError> {
    const STAGE: &str = "try KVM";
    let line = Machine { acceleration: Acceleration::Kvm, ..*machine }.line()?;
    let journal = Run::begin("trial of KVM")?;
    let log_path = machine.sockets.join("kvm.log");
    let log = File::create(&log_path).at_stage(STAGE)?;
    let deadline = Deadline::after(machine.settings.deadlines.kvm());
    let pid = detach(&line, &[], &log).map_err(|error| error.testbed_error(STAGE))?;
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

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;
    use plumbline_testbed::images::Arch;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Instant;

    /// A machine whose emulator is a shell script. It notes each start of itself, and its console is `$console`.
    struct Fake {
        folder: tempfile::TempDir,
        settings: Settings,
    }

    impl Fake {
        fn new(body: &str) -> Self {
            let committed = include_str!("../../../../images/vm/machine.yaml");
            // A second is enough for a script, and the emulator is for this host, whatever it is.
            let text =
                committed.replace("kvm: 8", "kvm: 1").replace("amd64:", &format!("{}:", Arch::host().unwrap().name()));
            assert_ne!(text, committed, "the deadline is written otherwise");
            let settings = plumbline_kube::manifests::decode("machine.yaml", &text).unwrap();
            let fake = Self { folder: tempfile::tempdir().unwrap(), settings };
            fake.says(body);
            std::fs::write(fake.path("device"), "").unwrap();
            fake
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.folder.path().join(name)
        }

        /// Replaced, never rewritten: one that runs stays as it was.
        fn says(&self, body: &str) {
            let at = self.folder.path().display();
            let text = format!("#!/bin/sh\nconsole={at}/console\necho $$ >> {at}/starts\n{body}\n");
            std::fs::write(self.path("new"), text).unwrap();
            std::fs::set_permissions(self.path("new"), std::fs::Permissions::from_mode(0o755)).unwrap();
            std::fs::rename(self.path("new"), self.path("emulator")).unwrap();
        }

        async fn known(&self) -> Known {
            let machine = Machine {
                program: &self.path("emulator"),
                settings: &self.settings,
                guest: self.folder.path(),
                first_root: &self.path("first-root"),
                sockets: self.folder.path(),
                console: &self.path("console"),
                channels: 0,
                pairs: 0,
                idle: 0,
                acceleration: Acceleration::Tcg,
            };
            settled(&self.path("device"), &self.path("note"), &machine).await.unwrap()
        }

        fn noted(&self) -> Option<Known> {
            Some(serde_json::from_slice(&std::fs::read(self.path("note")).ok()?).unwrap())
        }

        fn starts(&self) -> Vec<u32> {
            let text = std::fs::read_to_string(self.path("starts")).unwrap_or_default();
            text.lines().map(|line| line.parse().unwrap()).collect()
        }
    }

    #[tokio::test]
    async fn an_emulator_that_hangs_is_ended_at_the_deadline_and_what_was_learnt_is_noted() {
        // Deaf to polite signals, as one that waits in the kernel is for a while.
        let fake = Fake::new("trap '' TERM HUP INT; sleep 600 & wait; sleep 600");
        let start = Instant::now();
        let known = fake.known().await;
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(1), "given up too early: {took:?}");
        assert!(took < Duration::from_secs(8), "the deadline of 1 s is not kept: {took:?}");
        assert_eq!(known.acceleration, Acceleration::Tcg);
        assert_eq!(known.seen, "a guest with KVM did not end within 1 s");
        assert_eq!(fake.noted(), Some(known.clone()));
        let [pid] = fake.starts()[..] else { panic!("{:?}", fake.starts()) };
        // The kernel takes a moment to end it.
        let gone = Deadline::after(Duration::from_secs(5));
        while start_time(pid).is_some() && !gone.over() {
            pause(LOOK).await;
        }
        assert_eq!(start_time(pid), None, "it still runs");
        // Known once and for all: nobody waits for it again.
        let start = Instant::now();
        assert_eq!(fake.known().await, known);
        assert!(start.elapsed() < Duration::from_secs(1) && fake.starts().len() == 1, "tried again");
    }

    #[tokio::test]
    async fn a_guest_that_ran_to_its_end_is_what_proves_it() {
        let fake = Fake::new(&format!("echo '{LAST_WORDS}' > $console"));
        let known = fake.known().await;
        assert_eq!(known.acceleration, Acceleration::Kvm, "{}", known.seen);
        assert_eq!(fake.noted(), Some(known));
        let fake = Fake::new("echo 'booting' > $console; echo 'first' >&2; echo 'could not access KVM' >&2; exit 1");
        let known = fake.known().await;
        assert_eq!(known.acceleration, Acceleration::Tcg);
        assert_eq!(known.seen, "a guest with KVM ended early: could not access KVM");
    }

    #[tokio::test]
    async fn a_note_counts_for_one_boot_and_one_emulator() {
        let fake = Fake::new("exit 1");
        let first = fake.known().await;
        fake.says(&format!("echo '{LAST_WORDS}' > $console"));
        for of in ["another-boot emulator".to_owned(), first.of.replace("emulator", "other")] {
            let other = Known { of, ..first.clone() };
            std::fs::write(fake.path("note"), serde_json::to_vec(&other).unwrap()).unwrap();
            assert_eq!(fake.known().await.acceleration, Acceleration::Kvm, "tried anew");
        }
        std::fs::write(fake.path("note"), "{").unwrap();
        assert_eq!(fake.known().await.acceleration, Acceleration::Kvm, "a note that can't be read is none");
        assert_eq!(fake.starts().len(), 4);
    }

    #[tokio::test]
    async fn without_the_device_nothing_is_tried_or_noted() {
        let fake = Fake::new("exit 0");
        std::fs::remove_file(fake.path("device")).unwrap();
        let known = fake.known().await;
        assert_eq!(known.acceleration, Acceleration::Tcg);
        assert!(known.seen.contains("device: No such file"), "{}", known.seen);
        assert_eq!((fake.noted(), fake.starts().len()), (None, 0));
    }
}
