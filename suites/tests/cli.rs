//! The command as users run it: refusals with their messages and exit codes, and unchanged folders.

use plumbline_suites::command::{plumbline, run};
use plumbline_testbed::exec::{ProcessEnd, Transcript};
use rstest::rstest;
use std::path::Path;
use std::time::Duration;

fn code(of: &Transcript) -> Option<i32> {
    match of.ending {
        ProcessEnd::Code(code) => Some(code),
        _ => None,
    }
}

const HEAD: &str = "apiVersion: plumbline.dev/v1alpha1\nkind: Scenario\n";

/// Bad files: each is refused within a second at its place, and neither cache nor state folder is made.
#[rstest]
#[case::empty("", "empty")]
#[case::only_comments("# nothing\n", "empty")]
#[case::not_yaml("apiVersion: [\n", "bad.yaml:")]
#[case::tab("apiVersion: plumbline.dev/v1alpha1\n\tkind: Scenario\n", "bad.yaml:1:13")]
#[case::unknown_field(
    "apiVersion: plumbline.dev/v1alpha1\nkind: Scenario\nmetadata: { name: a/b }\nadress: 1\n",
    "bad.yaml:4:1"
)]
#[case::duplicate_key(
    "apiVersion: plumbline.dev/v1alpha1\nkind: Scenario\nkind: Scenario\nmetadata: { name: a/b }\n",
    "bad.yaml:3"
)]
#[case::other_version("apiVersion: plumbline.dev/v9\nkind: Scenario\nmetadata: { name: a/b }\n", "bad.yaml:1:13")]
#[case::no_such_manifest(
    "apiVersion: plumbline.dev/v1alpha1\nkind: Scenario\nmetadata: { name: a/b }\npods:\n  - manifest: nowhere.yaml\n",
    "bad.yaml:5:15"
)]
#[case::objects_without_yaml("kind: Pod\nmetadata: [\n", "bad.yaml:")]
#[case::a_network_that_is_not_there(
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations: { k8s.v1.cni.cncf.io/networks: absent }\n\
     spec: { containers: [{ name: a, image: b }] }\n",
    "bad.yaml:1:1: metadata.annotations[k8s.v1.cni.cncf.io/networks]: pod `p` requests network `absent`"
)]
#[case::a_configuration_that_is_no_text(
    "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: { name: a }\nspec:\n  config: { type: b }\n",
    "bad.yaml:5:11: spec.config"
)]
#[tokio::test]
async fn a_bad_file_is_refused_at_its_place(#[case] text: &str, #[case] place: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("bad.yaml");
    std::fs::write(&file, text)?;
    let refused = in_new_home(dir.path(), &["run", &file.display().to_string()]).await?;
    assert_eq!(code(&refused), Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains(place), "wanted {place:?} in: {}", refused.stderr);
    assert!(refused.stderr.contains("bad.yaml"), "{}", refused.stderr);
    assert!(refused.duration < Duration::from_secs(1), "took {:?}", refused.duration);
    Ok(())
}

/// The same for arguments of the command line.
#[rstest]
#[case::no_such_file(&["run", "no/such/file.yaml"], "no/such/file.yaml")]
#[case::no_such_lane(&["run", "openshift/chain-example", "--lane", "moon"], "unknown lane")]
#[case::no_plugin_path(&["run", "openshift/chain-example", "--plugin", "macvlan"], "NAME=PATH")]
#[case::plugin_is_no_program(&["run", "openshift/chain-example", "--plugin", "macvlan=/etc/passwd"], "not a program")]
#[case::no_folder(&["run", "openshift/chain-example", "--cni-path", "/no/such/folder"], "--cni-path")]
#[case::no_place_for_junit(&["run", "openshift/chain-example", "--junit", "/no/such/folder/j.xml"], "--junit")]
#[case::no_scenario(&["run"], "SCENARIO")]
#[case::a_pod_of_a_scenario(&["run", "openshift/chain-example", "--pod", "chain-test-pod"], "--pod and --nad")]
#[case::no_such_pod(&["run", "suites/scenarios/openshift/chain-example", "--pod", "chain-test-pd"], "did you mean chain-test-pod?")]
#[case::no_such_network(&["run", "suites/scenarios/openshift/chain-example", "--nad", "sip"], "--nad sip: no network of that name")]
#[case::unknown_flag(&["run", "openshift/chain-example", "--colour"], "--colour")]
#[case::no_such_code(&["explain", "PL999"], "PL999")]
#[case::a_requirement_of_other_lanes(&["requirements", "R01", "R15", "--lane", "netns"], "R15 is not for netns; it is for lint")]
#[tokio::test]
async fn wrong_usage_is_refused(#[case] args: &[&str], #[case] word: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let refused = in_new_home(dir.path(), args).await?;
    assert_eq!(code(&refused), Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains(word), "wanted {word:?} in: {}", refused.stderr);
    assert!(refused.stdout.is_empty(), "{}", refused.stdout);
    Ok(())
}

#[tokio::test]
async fn down_refuses_a_profile_that_does_not_exist() -> anyhow::Result<()> {
    let refused = run(&["down", "--profile", "typo"]).await?;
    assert_eq!(code(&refused), Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--profile typo: no such cluster profile"), "{}", refused.stderr);
    Ok(())
}

/// Runs with cache and state in folders that must not be created.
async fn in_new_home(dir: &Path, args: &[&str]) -> anyhow::Result<Transcript> {
    let (cache, state) = (dir.join("cache"), dir.join("state"));
    let path = |path: &Path| path.display().to_string();
    let done = plumbline(args)?.env("PLUMBLINE_CACHE", path(&cache)).env("PLUMBLINE_STATE", path(&state)).run().await?;
    anyhow::ensure!(!cache.exists() && !state.exists(), "something was made");
    Ok(done)
}

#[tokio::test]
async fn one_bad_file_in_a_folder_stops_the_whole_run() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("one.yaml"), format!("{HEAD}metadata: {{ name: a/one }}\nwrong: 1\n"))?;
    std::fs::write(dir.path().join("two.yaml"), format!("{HEAD}metadata: {{ name: a/two }}\nfalse: 1\n"))?;
    let refused = run(&["run", &dir.path().display().to_string()]).await?;
    assert_eq!(code(&refused), Some(2));
    assert!(refused.stderr.contains("one.yaml:4") && refused.stderr.contains("two.yaml:4"), "{}", refused.stderr);
    Ok(())
}

#[tokio::test]
async fn an_empty_selection_has_its_own_exit_code() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let folder = dir.path().display().to_string();
    for command in ["run", "list", "render"] {
        let nothing = run(&[command, &folder]).await?;
        assert_eq!(code(&nothing), Some(4), "{command}: {}", nothing.stderr);
        let expected = format!("nothing selected: {folder} holds no scenario file");
        assert_eq!(nothing.stderr.trim_end(), expected, "{command}");
    }
    Ok(())
}

/// Objects that are no network and request none: nothing is made, and nothing passes.
#[tokio::test]
async fn files_without_a_network_are_an_empty_selection() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("other.yaml");
    std::fs::write(&file, "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n")?;
    let nothing = in_new_home(dir.path(), &["run", &file.display().to_string()]).await?;
    assert_eq!(code(&nothing), Some(4), "{}", nothing.stderr);
    let expected = "nothing selected: no network, and no pod that requests one; passed over: 1 ConfigMap";
    assert_eq!(nothing.stderr.trim_end(), expected);
    Ok(())
}

/// A run of skips alone is no success.
#[tokio::test]
async fn a_network_of_a_plugin_that_no_lane_has_is_a_skip() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("sriov.yaml");
    let config = r#"{ "cniVersion": "1.0.0", "type": "sriov" }"#;
    let head = "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: { name: fast }\n";
    std::fs::write(&file, format!("{head}spec:\n  config: '{config}'"))?;
    let skipped = run(&["run", &file.display().to_string()]).await?;
    assert_eq!(code(&skipped), Some(4), "{}{}", skipped.stdout, skipped.stderr);
    assert!(
        skipped.stdout.contains("this lane has no plugin sriov; fix: run with --plugin sriov=PATH"),
        "{}",
        skipped.stdout
    );
    Ok(())
}

#[tokio::test]
async fn help_shows_every_exit_code() -> anyhow::Result<()> {
    let help = run(&["--help"]).await?;
    assert_eq!(code(&help), Some(0));
    for code in ["0    pass", "1    ", "2    ", "3    ", "4    ", "5    ", "130  "] {
        assert!(help.stdout.contains(code), "{code:?} is not in the table: {}", help.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn every_code_is_explained_in_any_case() -> anyhow::Result<()> {
    let list = run(&["explain"]).await?;
    let codes: Vec<&str> = list.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(codes.contains(&"PL601") && codes.len() > 20, "{codes:?}");
    let page = run(&["explain", "pl601"]).await?;
    assert_eq!(code(&page), Some(0));
    assert!(page.stdout.contains("vlan"), "{}", page.stdout);
    Ok(())
}

#[tokio::test]
async fn list_gives_names_that_can_be_pasted() -> anyhow::Result<()> {
    let list = run(&["list"]).await?;
    let name = list.stdout.lines().find_map(|line| line.split_whitespace().next()).unwrap_or_default().to_owned();
    let render = run(&["render", &name, "--output", "json"]).await?;
    assert_eq!(code(&render), Some(0), "{}", render.stderr);
    let plan: serde_json::Value = serde_json::from_str(&render.stdout)?;
    assert_eq!(plan["name"], name.as_str());
    Ok(())
}

/// `plumbline list | head -1`: the reader closes the pipe, which is no error.
#[tokio::test]
async fn a_closed_pipe_is_not_an_error() -> anyhow::Result<()> {
    let script =
        format!("{} list | true; echo \"${{PIPESTATUS[0]}}\"", plumbline_suites::command::program()?.display());
    let done =
        plumbline_testbed::exec::Cmd::new("bash").args(["-c", &script]).dir(plumbline::root::find()?).run_ok().await?;
    assert_eq!((done.stdout.trim(), done.stderr.as_str()), ("0", ""));
    Ok(())
}

#[tokio::test]
async fn a_full_disk_under_the_output_is_no_fault_of_plumbline() -> anyhow::Result<()> {
    let script = format!("{} list > /dev/full", plumbline_suites::command::program()?.display());
    let done =
        plumbline_testbed::exec::Cmd::new("bash").args(["-c", &script]).dir(plumbline::root::find()?).run().await?;
    assert_eq!(code(&done), Some(3), "{}", done.stderr);
    assert!(done.stderr.starts_with("ERROR cannot write the output: "), "{}", done.stderr);
    Ok(())
}

#[tokio::test]
async fn version_prints_json_on_request() -> anyhow::Result<()> {
    let version = run(&["version", "-o", "json"]).await?;
    let value: serde_json::Value = serde_json::from_str(&version.stdout)?;
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(value["scenarioApiVersion"], plumbline_core::scenario::API_VERSION);
    Ok(())
}

#[tokio::test]
async fn colours_follow_flags_environment_and_terminal() -> anyhow::Result<()> {
    let with = async |args: &[&str], env: &[(&str, &str)]| -> anyhow::Result<bool> {
        let mut command = plumbline(args)?;
        for name in ["NO_COLOR", "CLICOLOR_FORCE"] {
            command = match env.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => command.env(name, *value),
                None => command.without_env(name),
            };
        }
        Ok(command.run().await?.stderr.contains('\u{1b}'))
    };
    let bad = ["run", "no/such/file.yaml"];
    assert!(!with(&bad, &[]).await?, "a pipe is no terminal");
    assert!(with(&bad, &[("CLICOLOR_FORCE", "1")]).await?);
    assert!(!with(&bad, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).await?);
    assert!(with(&["--color", "always", "run", "no/such/file.yaml"], &[("NO_COLOR", "1")]).await?);
    Ok(())
}

/// A scenario may require only probed capabilities. A capability without a probe would always mean a skip.
#[tokio::test]
async fn probed_capabilities_match_those_that_scenarios_require() -> anyhow::Result<()> {
    let doctor = plumbline(&["doctor", "--lane", "netns", "-o", "json"])?.run().await?;
    let lines: Vec<serde_json::Value> = doctor.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let probed =
        lines.iter().filter(|line| line["scope"] == "netns" && line["needed"].as_str().is_some_and(is_optional));
    let mut probed: Vec<&str> = probed.filter_map(|line| line["probe"].as_str()).collect();
    probed.sort_unstable();
    assert_eq!(probed, plumbline_core::plan::CAPABILITIES, "{}{}", doctor.stdout, doctor.stderr);
    Ok(())
}

fn is_optional(needed: &str) -> bool {
    needed.starts_with("only by scenarios")
}

/// The test's own program registers a lane that panics. It ends as `plumbline` does.
#[rstest]
#[case::in_a_scenario("scenario")]
#[case::in_the_command("command")]
#[tokio::test]
async fn a_panic_ends_with_exit_code_5_names_the_file_and_cleans_up(#[case] place: &str) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let path = |name: &str| home.path().join(name).display().to_string();
    let file = "suites/scenarios/openshift/chain-example.yaml";
    let program = env!("CARGO_BIN_EXE_panicking-lane");
    let command = plumbline_testbed::exec::Cmd::new(program).args([place, file, &path("made")]);
    let command = command.env("PLUMBLINE_STATE", path("state")).env("PLUMBLINE_CACHE", path("cache"));
    let done = command.dir(plumbline::root::find()?).run().await?;
    assert_eq!(code(&done), Some(5), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("a fault of Plumbline:"), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("{file}: a panic on purpose")), "{}", done.stderr);
    assert!(home.path().join("state").is_dir() && !home.path().join("made").exists(), "the effect was undone");
    Ok(())
}
