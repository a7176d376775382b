//! `.config/nextest.toml`, made from `suites/nextest.toml.j2`, the lane registry and the test binaries of `must-run.yaml`.

use crate::must_run::{Binary, MustRun};
use anyhow::Context as _;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use plumbline::registry;
use serde_json::json;
use std::path::Path;

/// The file, below the project's folder.
pub const FILE: &str = ".config/nextest.toml";
const TEMPLATE: &str = "suites/nextest.toml.j2";
/// The text that the file must have.
///
/// # Errors
/// When the suite can't be read, or `must-run.yaml` names a lane or cluster profile that does not exist.
pub fn render(root: &Path) -> anyhow::Result<String> {
    let list = MustRun::read(root)?;
    let mut all = cluster_profiles(root)?;
    all.sort();
    for (name, binary) in &list.binaries {
        anyhow::ensure!(registry::find(&binary.lane).is_some(), "must-run.yaml: {name}: no lane {}", binary.lane);
        let known = binary.profile.as_ref().is_none_or(|profile| all.contains(profile));
        anyhow::ensure!(known, "must-run.yaml: {name}: no cluster profile {:?}", binary.profile);
    }

    let (mut lanes, mut setups, mut runs, mut ci) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for lane in registry::LANES {
        let (name, tests) = (lane.name(), lane.test_settings());
        let binaries = format!("binary(/(^|_){name}$/)");
        let setup = |script: &str, arguments: String| {
            json!({
                "name": script,
                "arguments": arguments,
                "preparation": lane.preparation(),
                "seconds": tests.setup_seconds,
            })
        };
        setups.push(setup(name, name.to_owned()));
        lanes.push(json!({ "name": name, "binaries": binaries, "tests": tests }));
        let profiles = lane.named_profiles(root);
        setups.extend(profiles.iter().map(|profile| setup(profile, format!("{name} {profile}"))));
        if tests.by_default {
            continue;
        }

        let select = |chosen: &dyn Fn(&Binary) -> bool| {
            let names = list.binaries.iter().filter(|(_, binary)| binary.lane == name && chosen(binary));
            format!("binary(/^({})$/)", names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("|"))
        };
        let rest = match profiles.is_empty() {
            true => binaries.clone(),
            false => format!("{binaries} - {}", select(&|binary| binary.profile.is_some())),
        };
        let script = |script: &str, filter: &str| json!({ "name": script, "filter": filter });
        let mut scripts = vec![script(name, &rest)];
        for profile in &profiles {
            let of_profile = |binary: &Binary| binary.profile.as_ref() == Some(profile);
            let with_setup = select(&|binary| of_profile(binary) && !binary.own_cluster);
            scripts.push(script(profile, &with_setup));
            runs.push(json!({
                "name": format!("{name}-{profile}"),
                "filter": select(&of_profile),
                "threads": tests.test_threads,
                "setups": [script(profile, &with_setup)],
            }));
        }
        for profile in lane.default_profiles() {
            runs.push(json!({
                "name": format!("{name}-{profile}"),
                "filter": rest,
                "threads": tests.test_threads,
                "setups": [script(name, &rest)],
            }));
        }
        ci.extend(scripts.clone());
        runs.push(json!({
            "name": name,
            "filter": binaries,
            "threads": tests.test_threads,
            "setups": scripts,
        }));
    }
    // nextest runs a set-up script only where one of its tests runs.
    let others = list.binaries.iter().filter(|(_, binary)| !list.is_first(binary)).map(|(name, _)| name.as_str());
    let others = format!("binary(/^({})$/)", others.collect::<Vec<_>>().join("|"));
    runs.push(json!({ "name": "ci", "filter": format!("all() - {others}"), "setups": ci }));
    runs.push(json!({ "name": "ci-kind", "filter": others, "setups": ci }));

    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    let template =
        std::fs::read_to_string(root.join(TEMPLATE)).with_context(|| format!("failed to read {TEMPLATE}"))?;
    let values = json!({ "lanes": lanes, "setups": setups, "runs": runs });
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
