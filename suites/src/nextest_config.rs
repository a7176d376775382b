//! `.config/nextest.toml`, made from `suites/nextest.toml.j2`, the test binaries of `must-run.yaml`, the cluster profiles and
//! the lanes.

use crate::must_run::MustRun;
use anyhow::Context as _;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

/// The file, below the project's folder.
pub const FILE: &str = ".config/nextest.toml";
const TEMPLATE: &str = "suites/nextest.toml.j2";
/// Test binaries of lane kind, in every crate.
const KIND: &str = "binary(/(^|_)kind$/)";

/// A profile of the file whose tests may need clusters.
#[derive(Debug, Serialize)]
struct Run {
    name: String,
    filter: String,
    setups: Vec<Setup>,
}

/// A set-up script and the tests that need it.
#[derive(Debug, Serialize)]
struct Setup {
    name: String,
    filter: String,
}

/// The text that the file must have.
///
/// # Errors
/// When the suite can't be read, or `must-run.yaml` names a lane or cluster profile that does not exist.
pub fn render(root: &Path) -> anyhow::Result<String> {
    let list = MustRun::read(root)?;
    let lanes: BTreeSet<String> =
        plumbline_lanes::registry::lanes().iter().map(|lane| lane.name().to_owned()).collect();
    let named: BTreeSet<String> = list.binaries.values().map(|binary| binary.lane.clone()).collect();
    anyhow::ensure!(
        named == lanes,
        "suites/must-run.yaml has binaries for lanes {named:?}, the registry has {lanes:?}"
    );
    let mut all = cluster_profiles(root)?;
    let profiles: BTreeSet<String> = list.binaries.values().filter_map(|binary| binary.profile.clone()).collect();
    for profile in &profiles {
        anyhow::ensure!(all.contains(profile), "suites/must-run.yaml: no cluster profile {profile}");
    }
    all.sort();

    let of_profile = |profile: Option<&str>, own_cluster: bool| {
        let matching = list.binaries.iter().filter(|(_, binary)| match profile {
            Some(profile) => binary.profile.as_deref() == Some(profile),
            None => binary.profile.is_some(),
        });
        filter(matching.filter(|(_, binary)| own_cluster || !binary.own_cluster).map(|(name, _)| name.as_str()))
    };
    let without_profile = format!("{KIND} - {}", of_profile(None, true));
    let setup = |profile: &str| match profiles.contains(profile) {
        true => Setup { name: profile.to_owned(), filter: of_profile(Some(profile), false) },
        false => Setup { name: "kind".to_owned(), filter: without_profile.clone() },
    };
    let vm = filter(list.binaries.iter().filter(|(_, binary)| binary.lane == "vm").map(|(name, _)| name.as_str()));
    let clusters = || std::iter::once(setup("")).chain(profiles.iter().map(|profile| setup(profile)));
    let mut runs = vec![
        Run {
            name: "ci".to_owned(),
            filter: "all()".to_owned(),
            setups: std::iter::once(Setup { name: "vm".to_owned(), filter: vm.clone() }).chain(clusters()).collect(),
        },
        Run { name: "kind".to_owned(), filter: KIND.to_owned(), setups: clusters().collect() },
    ];
    for profile in all {
        let filter =
            if profiles.contains(&profile) { of_profile(Some(&profile), true) } else { without_profile.clone() };
        runs.push(Run { name: format!("kind-{profile}"), filter, setups: vec![setup(&profile)] });
    }
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    let template =
        std::fs::read_to_string(root.join(TEMPLATE)).with_context(|| format!("failed to read {TEMPLATE}"))?;
    let values = json!({ "profiles": profiles, "clusters": runs, "all": { "kind": KIND, "vm": vm } });
    let text = environment.render_str(&template, Value::from(Serde(values)))?;
    Ok(text.trim_end().to_owned() + "\n")
}

/// The cluster profiles: the folders of `clusters` with a `profile.yaml`.
fn cluster_profiles(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join("clusters"))? {
        let entry = entry?;
        if entry.path().join("profile.yaml").is_file() {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

/// nextest's filter for binaries of these names.
fn filter<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("binary(/^({})$/)", names.collect::<Vec<_>>().join("|"))
}

#[cfg(test)]
mod tests {
    use super::{FILE, render};
    use plumbline::root;

    #[test]
    fn the_committed_file_is_what_the_template_gives() -> anyhow::Result<()> {
        let root = root::find()?;
        let committed = std::fs::read_to_string(root.join(FILE))?;
        let hint = "fix: cargo run -p plumbline-suites --bin nextest-config";
        anyhow::ensure!(committed == render(&root)?, "{FILE} differs from its template; {hint}");
        Ok(())
    }
}
