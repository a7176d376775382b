//! The releases of plugins whose programs the user gave (`--plugin`, `--cni-path`), by the programs' build information. No
//! program is started.

use plumbline_core::keys::KeyTable;
use plumbline_core::lint::Releases;
use plumbline_core::release::Release;
use plumbline_testbed::context::Options;
use plumbline_testbed::go_build::{GoBuild, read_go_build};
use std::collections::BTreeMap;

/// The releases of plugins whose program the user gave and states one.
pub fn read_releases(options: &Options) -> BTreeMap<String, Release> {
    let mut releases = Releases::default();
    add_releases(options, &mut releases);
    releases.by_name().clone()
}

/// Adds the releases of all plugins whose keys are known and whose program the user gave. A release that is set already
/// stays. Gives a sentence for each program that states no release.
pub fn add_releases(options: &Options, releases: &mut Releases) -> Vec<String> {
    let mut unknown = Vec::new();
    for keys in KeyTable::embedded().plugins() {
        let Some(path) = options.replacement(&keys.name) else { continue };
        let reason = match read_go_build(&path) {
            Ok(Some(GoBuild { package, release: Some(release) })) => {
                releases.set_built(&keys.name, &package, release);
                continue;
            }
            Ok(Some(_)) => "states no release".to_owned(),
            Ok(None) => "has no build information of Go".to_owned(),
            Err(error) => error.to_string(),
        };
        let assumed = releases.of(&keys.name, &keys.source);
        unknown.push(format!("{} {assumed}: {} {reason}", keys.name, path.display()));
    }
    unknown
}
