//! `images/vm/machine.yaml`: the emulator and the machine.

use plumbline_kube::manifests as yaml;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::images::Arch;
use plumbline_testbed::wait::read_seconds;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The file below the root of the checkout.
const FILE: &str = "images/vm/machine.yaml";

/// For developers of Plumbline: another idle time, in seconds.
pub const IDLE_VARIABLE: &str = "PLUMBLINE_VM_IDLE";

/// The file as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    api_version: String,
    kind: String,
    /// By architecture of the host.
    emulators: BTreeMap<Arch, Emulator>,
    /// Parameters of the guest kernel's command line.
    pub kernel: Vec<String>,
    /// The guest's memory.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u32,
    /// The guest's processors.
    pub processors: u32,
    /// How many sessions can be held at once.
    pub channels: u32,
    /// Pairs of network interfaces, each pair joined by a cable, for interfaces that can't be a veth, such as Terway's ENI.
    pub interface_pairs: u8,
    /// After how long without a session the machine powers off.
    pub idle_seconds: u64,
    /// How long each step may take.
    pub deadlines: Deadlines,
}

/// An emulator for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emulator {
    /// Its program.
    pub program: String,
    /// The packages of Debian and Ubuntu that contain it.
    pub packages: Vec<String>,
    /// The kind of machine.
    pub machine: String,
    /// The processor model for emulation.
    pub processor: String,
    /// The name of the console in the guest's kernel.
    pub console: String,
}

/// Deadlines in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// From the emulator's start to the first session.
    #[serde(deserialize_with = "read_seconds")]
    pub boot: Duration,
    /// Of the trial of KVM: a guest that starts and powers off.
    #[serde(deserialize_with = "read_seconds")]
    pub kvm: Duration,
    /// Of reading the package lists.
    #[serde(deserialize_with = "read_seconds")]
    pub update: Duration,
    /// Of installing packages.
    #[serde(deserialize_with = "read_seconds")]
    pub install: Duration,
}

impl Settings {
    /// Reads the file of a checkout.
    ///
    /// # Errors
    /// [`TestbedError`] with file, line and column.
    pub fn read(root: &Path) -> Result<Self, TestbedError> {
        let stage = format!("read {FILE}");
        let text = std::fs::read_to_string(root.join(FILE)).at_stage(&stage)?;
        let mut settings: Self = yaml::decode(FILE, &text).map_err(|error| TestbedError::new(&stage, error))?;
        if (settings.api_version.as_str(), settings.kind.as_str()) != ("plumbline.dev/v1alpha1", "Machine") {
            return Err(TestbedError::new(stage, "the file is not a Machine of plumbline.dev/v1alpha1"));
        }
        if let Some(idle) = std::env::var(IDLE_VARIABLE).ok().filter(|idle| !idle.is_empty()) {
            settings.idle_seconds = idle.parse().at_stage(&format!("read {IDLE_VARIABLE}"))?;
        }
        Ok(settings)
    }

    /// The emulator for this host.
    ///
    /// # Errors
    /// [`TestbedError`] where there is none for its architecture.
    pub fn emulator(&self) -> Result<&Emulator, TestbedError> {
        let arch = Arch::host().at_stage("find an emulator")?;
        self.emulators.get(&arch).ok_or_else(|| {
            let cause = format!("{FILE} has no emulator for {}", arch.name());
            TestbedError::new("find an emulator", cause).with_hint("use the netns or the kind lane on this host")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_file_is_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let settings = Settings::read(&root).unwrap();
        assert!(settings.channels > 1 && settings.deadlines.kvm < settings.deadlines.boot);
    }
}
