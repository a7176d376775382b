//! Checks of this host for the lane.

use super::emulator;
use super::settings::Settings;
use crate::context::Context;
use crate::host::HostCheck;
use crate::lane::{HostReport, Installation};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::images::BuildState;
use std::path::Path;

const SCOPE: &str = "vm";

/// Checks the emulator and the guest's system. `build`: the lane may be opened although its guest must be built first.
///
/// # Errors
/// [`TestbedError`] when settings or recipes can't be read.
pub fn check_host(cx: &Context, build: bool) -> Result<HostReport, TestbedError> {
    let settings = Settings::read(&cx.root)?;
    let refused = |check: HostCheck| HostReport { checks: vec![check.optional()], can_open: false };
    let emulator = match settings.emulator() {
        Ok(emulator) => emulator,
        Err(error) => return Ok(refused(HostCheck::failed(SCOPE, "emulator", &error))),
    };
    let Some(path) = emulator::installed(emulator) else {
        let hint = emulator::install_step(emulator).map_or_else(
            || format!("install {}", emulator.packages.join(" ")),
            |step| format!("run plumbline up --lane vm --yes, which will {step}"),
        );
        let found = "not installed";
        return Ok(refused(HostCheck::new(SCOPE, &emulator.program, false, found, "to run the guest", &hint)));
    };
    let mut checks = vec![HostCheck::met(SCOPE, &emulator.program, &path.display().to_string())];
    let built = cx.images.list()?.iter().any(|part| part.name == "vm/guest" && part.state == BuildState::Built);
    if !built && !build {
        let hint = "run plumbline up --lane vm, which builds it in some minutes";
        checks.push(HostCheck::new(SCOPE, "guest system", false, "not built yet", "to boot it", hint).optional());
    }
    Ok(HostReport { checks, can_open: built || build })
}

/// The software that the lane would install. None if nothing is missing or nothing can be installed here.
///
/// # Errors
/// [`TestbedError`] where there is no emulator for this host.
pub fn installation(root: &Path) -> Result<Option<Installation>, TestbedError> {
    let settings = Settings::read(root)?;
    let emulator = settings.emulator()?;
    let step = emulator::install_step(emulator).filter(|_| emulator::installed(emulator).is_none());
    Ok(step.map(|step| Installation { missing: format!("{} is not installed", emulator.program), steps: vec![step] }))
}
