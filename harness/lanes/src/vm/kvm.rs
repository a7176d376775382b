//! Whether KVM works here: a guest is started with it and has to switch itself off within a deadline.
//!
//! The device alone proves little: in some virtual machines and containers a guest never runs its first instruction. The
//! trial runs once for each boot of the host and each emulator.

use super::emulator::{Acceleration, EmulatorCommand};
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
/// The line that a guest writes before it switches itself off (the agent's mode `guest`): it ran to its end.
const END_LINE: &str = "no session for";
/// Between two checks whether the emulator has ended.
const LOOK: Duration = Duration::from_millis(20);

/// The acceleration chosen on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenAcceleration {
    /// The boot of the host and the emulator that it was chosen for.
    key: String,
    /// The acceleration.
    pub acceleration: Acceleration,
    /// Why.
    pub reason: String,
}

/// Gives the acceleration that works, from the note or by a trial. `trial` is a machine that powers off at once.
///
/// # Errors
/// [`TestbedError`] only where the trial can't be started.
pub async fn choose_acceleration(
    note: &Path,
    machine: &EmulatorCommand<'_>,
) -> Result<ChosenAcceleration, TestbedError> {
    choose_by_device(Path::new(DEVICE), note, machine).await
}

async fn choose_by_device(
    device: &Path,
    note: &Path,
    machine: &EmulatorCommand<'_>,
) -> Result<ChosenAcceleration, TestbedError> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let key = format!("{} {}", boot.trim(), machine.program.display());
    if let Err(error) = OpenOptions::new().read(true).write(true).open(device) {
        let reason = format!("{}: {error}", device.display());
        return Ok(ChosenAcceleration { key, acceleration: Acceleration::Tcg, reason });
    }
    let noted = std::fs::read(note).ok().and_then(|bytes| serde_json::from_slice::<ChosenAcceleration>(&bytes).ok());
    if let Some(noted) = noted.filter(|noted| noted.key == key) {
        return Ok(noted);
    }
    let (acceleration, reason) = try_kvm(machine).await?;
    let known = ChosenAcceleration { key, acceleration, reason };
    std::fs::write(note, serde_json::to_vec(&known).at_stage("note KVM")?).at_stage("note KVM")?;
    Ok(known)
}

/// Runs the trial. Gives the acceleration that works, and why.
async fn try_kvm(machine: &EmulatorCommand<'_>) -> Result<(Acceleration, String), TestbedError> {
    const STAGE: &str = "try KVM";
    let line = EmulatorCommand { acceleration: Acceleration::Kvm, ..*machine }.line()?;
    let journal = Run::begin("trial of KVM")?;
    let log_path = machine.sockets.join("kvm.log");
    let log = File::create(&log_path).at_stage(STAGE)?;
    let deadline = Deadline::after(machine.settings.deadlines.kvm);
    let pid = detach(&line, &[], &log).map_err(|error| error.testbed_error(STAGE))?;
    let start = start_time(pid).unwrap_or_default();
    let effect = journal.intend(Effect::Process { pid, start, what: "a trial of KVM".to_owned() })?;
    while start_time(pid).is_some() && !deadline.over() {
        pause(LOOK).await;
    }
    if start_time(pid).is_some() {
        // Its end is not awaited: a process that hangs in the kernel does not end when it is killed.
        journal.unwind(&[]).await;
        let seconds = machine.settings.deadlines.kvm.as_secs();
        return Ok((Acceleration::Tcg, format!("a guest with KVM did not end within {seconds} s")));
    }
    journal.done(effect)?;
    let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    if text(machine.console).contains(END_LINE) {
        let reason = format!("a guest ran and ended in {} ms", deadline.elapsed().as_millis());
        return Ok((Acceleration::Kvm, reason));
    }
    let log = text(&log_path);
    let reason = format!("a guest with KVM ended early: {}", log.lines().last().unwrap_or("its log is empty"));
    Ok((Acceleration::Tcg, reason))
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
            // One second is enough for a script. The emulator's architecture is that of this host.
            let text =
                committed.replace("kvm: 8", "kvm: 1").replace("amd64:", &format!("{}:", Arch::host().unwrap().name()));
            assert_ne!(text, committed, "machine.yaml has no `kvm: 8` or no `amd64:`");
            let settings = plumbline_kube::manifests::decode("machine.yaml", &text).unwrap();
            let fake = Self { folder: tempfile::tempdir().unwrap(), settings };
            fake.write_emulator(body);
            std::fs::write(fake.path("device"), "").unwrap();
            fake
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.folder.path().join(name)
        }

        /// Replaces the script by rename, so that a running script does not change.
        fn write_emulator(&self, body: &str) {
            let at = self.folder.path().display();
            let text = format!("#!/bin/sh\nconsole={at}/console\necho $$ >> {at}/starts\n{body}\n");
            std::fs::write(self.path("new"), text).unwrap();
            std::fs::set_permissions(self.path("new"), std::fs::Permissions::from_mode(0o755)).unwrap();
            std::fs::rename(self.path("new"), self.path("emulator")).unwrap();
        }

        async fn choose(&self) -> ChosenAcceleration {
            let machine = EmulatorCommand {
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
            choose_by_device(&self.path("device"), &self.path("note"), &machine).await.unwrap()
        }

        fn read_note(&self) -> Option<ChosenAcceleration> {
            Some(serde_json::from_slice(&std::fs::read(self.path("note")).ok()?).unwrap())
        }

        fn read_starts(&self) -> Vec<u32> {
            let text = std::fs::read_to_string(self.path("starts")).unwrap_or_default();
            text.lines().map(|line| line.parse().unwrap()).collect()
        }
    }

    #[tokio::test]
    async fn an_emulator_that_hangs_is_ended_at_the_deadline_and_the_choice_is_saved() {
        // It ignores signals but SIGKILL, as a process that waits in the kernel does.
        let fake = Fake::new("trap '' TERM HUP INT; sleep 600 & wait; sleep 600");
        let start = Instant::now();
        let known = fake.choose().await;
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(1), "given up too early: {took:?}");
        assert!(took < Duration::from_secs(8), "the deadline of 1 s is not kept: {took:?}");
        assert_eq!(known.acceleration, Acceleration::Tcg);
        assert_eq!(known.reason, "a guest with KVM did not end within 1 s");
        assert_eq!(fake.read_note(), Some(known.clone()));
        let [pid] = fake.read_starts()[..] else { panic!("{:?}", fake.read_starts()) };
        // The kernel needs a moment to end the process.
        let gone = Deadline::after(Duration::from_secs(5));
        while start_time(pid).is_some() && !gone.over() {
            pause(LOOK).await;
        }
        assert_eq!(start_time(pid), None, "it still runs");
        // The saved choice makes a second trial unnecessary.
        let start = Instant::now();
        assert_eq!(fake.choose().await, known);
        assert!(start.elapsed() < Duration::from_secs(1) && fake.read_starts().len() == 1, "tried again");
    }

    #[tokio::test]
    async fn only_a_guest_that_ran_to_its_end_proves_kvm() {
        let fake = Fake::new(&format!("echo '{END_LINE}' > $console"));
        let known = fake.choose().await;
        assert_eq!(known.acceleration, Acceleration::Kvm, "{}", known.reason);
        assert_eq!(fake.read_note(), Some(known));
        let fake = Fake::new("echo 'booting' > $console; echo 'first' >&2; echo 'could not access KVM' >&2; exit 1");
        let known = fake.choose().await;
        assert_eq!(known.acceleration, Acceleration::Tcg);
        assert_eq!(known.reason, "a guest with KVM ended early: could not access KVM");
    }

    #[tokio::test]
    async fn a_saved_choice_is_valid_for_one_boot_and_one_emulator() {
        let fake = Fake::new("exit 1");
        let first = fake.choose().await;
        fake.write_emulator(&format!("echo '{END_LINE}' > $console"));
        for key in ["another-boot emulator".to_owned(), first.key.replace("emulator", "other")] {
            let other = ChosenAcceleration { key, ..first.clone() };
            std::fs::write(fake.path("note"), serde_json::to_vec(&other).unwrap()).unwrap();
            assert_eq!(fake.choose().await.acceleration, Acceleration::Kvm, "tried anew");
        }
        std::fs::write(fake.path("note"), "{").unwrap();
        assert_eq!(fake.choose().await.acceleration, Acceleration::Kvm, "an unreadable note is ignored");
        assert_eq!(fake.read_starts().len(), 4);
    }

    #[tokio::test]
    async fn without_the_device_no_trial_runs_and_no_choice_is_saved() {
        let fake = Fake::new("exit 0");
        std::fs::remove_file(fake.path("device")).unwrap();
        let known = fake.choose().await;
        assert_eq!(known.acceleration, Acceleration::Tcg);
        assert!(known.reason.contains("device: No such file"), "{}", known.reason);
        assert_eq!((fake.read_note(), fake.read_starts().len()), (None, 0));
    }
}
