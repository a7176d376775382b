//! What is generated from the types of Plumbline's own files is up to date, and the commands that write files for users.

use plumbline::root;
use plumbline::schema::{PROFILE, SCHEMAS};
use plumbline_cluster::profile::Profile;
use plumbline_suites::command::{plumbline, run};
use plumbline_suites::reference::{MODELINE, render, shipped};
use plumbline_testbed::exec::{ProcessEnd, Transcript};
use rstest::rstest;
use std::path::Path;

fn code(of: &Transcript) -> Option<i32> {
    match of.ending {
        ProcessEnd::Code(code) => Some(code),
        _ => None,
    }
}

#[test]
fn schemas_tables_and_first_lines_are_those_of_the_types() -> anyhow::Result<()> {
    for (file, text) in render(&root::find()?)? {
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        let fix = "run `cargo run -p plumbline-suites --bin schemas`";
        anyhow::ensure!(found == text, "{} is out of date: {fix}", file.display());
    }
    Ok(())
}

/// An editor resolves the path from the folder of the file.
#[test]
fn the_first_line_of_every_shipped_file_leads_to_its_schema() -> anyhow::Result<()> {
    let root = root::find()?;
    let all = shipped(&root)?;
    anyhow::ensure!(all.len() > 80, "{}", all.len());
    for (file, schema) in all {
        let text = std::fs::read_to_string(&file)?;
        let path = text.lines().next().and_then(|line| line.strip_prefix(MODELINE)).unwrap_or_default();
        let found = file.with_file_name("").join(path).canonicalize();
        anyhow::ensure!(found.is_ok_and(|found| found.ends_with(schema.file)), "{}: {path}", file.display());
    }
    Ok(())
}

#[test]
fn every_profile_follows_its_schema_and_what_its_reader_refuses_for_its_shape_does_not() -> anyhow::Result<()> {
    let validator = jsonschema::validator_for(&PROFILE.value())?;
    for (file, schema) in shipped(&root::find()?)? {
        if schema.name != PROFILE.name {
            continue;
        }
        let text = std::fs::read_to_string(&file)?;
        let value: serde_json::Value = serde_yaml::from_str(&text)?;
        let mistakes: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        anyhow::ensure!(mistakes.is_empty(), "{}: {mistakes:?}", file.display());
        for (from, to) in [
            ("kind: ClusterProfile", "kind: Cluster"),
            ("tried: ", "tired: "),
            ("role: control-plane", "role: master"),
            ("{ built: node }", "{ made: node }"),
            ("podSubnet: ", "podSubnet: ten"),
            ("flavour: ", "flavour: very-"),
            ("bridges:", "bridge:"),
            ("multus:\n  flavour", "multi:\n  flavour"),
            ("images:", "defaultNetworkProviders: {}\nimages:"),
        ] {
            let bad = text.replacen(from, to, 1);
            if bad != text {
                anyhow::ensure!(Profile::parse("bad", &bad).is_err(), "the reader accepts {to}");
                anyhow::ensure!(!validator.is_valid(&serde_yaml::from_str(&bad)?), "the schema accepts {to}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_command_prints_each_schema() -> anyhow::Result<()> {
    for schema in SCHEMAS {
        let printed = run(&["schema", schema.name]).await?;
        assert_eq!(code(&printed), Some(0), "{}", printed.stderr);
        assert_eq!(printed.stdout, std::fs::read_to_string(root::find()?.join(schema.file))?);
    }
    assert_eq!(code(&run(&["schema", "pod"]).await?), Some(2));
    Ok(())
}

/// The names of the subcommands, from `--help`.
async fn subcommands() -> anyhow::Result<Vec<String>> {
    let help = run(&["--help"]).await?.stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    Ok(names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

#[rstest]
#[case::bash("bash")]
#[case::zsh("zsh")]
#[case::fish("fish")]
#[case::elvish("elvish")]
#[case::powershell("powershell")]
#[tokio::test]
async fn completions_name_every_subcommand(#[case] shell: &str) -> anyhow::Result<()> {
    let script = run(&["completions", shell]).await?;
    assert_eq!(code(&script), Some(0), "{}", script.stderr);
    let names = subcommands().await?;
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(script.stdout.contains(&name), "{shell}: {name}");
    }
    Ok(())
}

#[tokio::test]
async fn each_command_has_a_manual_page_and_the_main_page_names_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let folder = dir.path().join("man1");
    assert_eq!(code(&run(&["man", &folder.display().to_string()]).await?), Some(0));
    let page = run(&["man"]).await?.stdout;
    for name in subcommands().await? {
        assert!(page.contains(&format!("plumbline\\-{name}")), "{name} is not in the main page");
        assert!(name == "help" || folder.join(format!("plumbline-{name}.1")).is_file(), "{name} has no page");
    }
    Ok(())
}

const NAD: &str = "\
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: { name: fast }
spec:
  config: '{ \"cniVersion\": \"1.0.0\", \"plugins\": [{ \"type\": \"macvlan\", \"master\": \"br-ex\" }] }'
";

fn write(dir: &Path, files: &[(&str, &str)]) -> anyhow::Result<()> {
    for (name, text) in files {
        std::fs::write(dir.join(name), text)?;
    }
    Ok(())
}

async fn new(dir: &Path, args: &[&str]) -> anyhow::Result<Transcript> {
    let all: Vec<&str> = ["new"].iter().chain(args).copied().collect();
    Ok(plumbline(&all)?.dir(dir).env("PLUMBLINE_ROOT", root::find()?.display().to_string()).run().await?)
}

/// The three manifests of OpenShift's example, one by one and as a folder.
#[tokio::test]
async fn a_scenario_is_written_from_the_example_and_loads() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let example = root::find()?.join("suites/scenarios/openshift/chain-example");
    for name in ["management.yaml", "sip.yaml", "pod.yaml"] {
        std::fs::copy(example.join(name), dir.path().join(name))?;
    }
    let written = new(dir.path(), &["management.yaml", "sip.yaml", "pod.yaml", "-o", "Chain_Example.yaml"]).await?;
    assert_eq!(code(&written), Some(0), "{}", written.stderr);
    assert!(written.stdout.contains("next: plumbline run Chain_Example.yaml"), "{}", written.stdout);
    let file = dir.path().join("Chain_Example.yaml");
    let text = std::fs::read_to_string(&file)?;
    for wanted in [
        "name: chain-example",
        "requires: [macvlan]",
        "- { name: br-ex }",
        "- manifest: management.yaml",
        "eth1: { kind: macvlan, parent: br-ex, addresses: [192.168.100.10/24] }",
        "- { to: 172.16.0.0/12, via: 192.168.200.1 }",
        "default: { dev: eth0, count: 1 }",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
    }
    let plan = run(&["render", &file.display().to_string(), "-o", "json"]).await?;
    assert_eq!(code(&plan), Some(0), "{}", plan.stderr);

    let again = new(dir.path(), &["pod.yaml", "-o", "Chain_Example.yaml"]).await?;
    assert_eq!(code(&again), Some(2));
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(&file)?, text, "the file is as before");

    std::fs::remove_file(&file)?;
    let printed = new(dir.path(), &["."]).await?;
    assert_eq!(code(&printed), Some(0), "{}", printed.stderr);
    assert!(printed.stdout.contains("- manifest: sip.yaml"), "{}", printed.stdout);
    Ok(())
}

#[rstest]
#[case::no_file(&[], &["a.yaml"], "a.yaml: cannot read")]
#[case::not_yaml(&[("a.yaml", "kind: [\n")], &["a.yaml"], "a.yaml:")]
#[case::another_kind(&[("a.yaml", "# x\nkind: Service\n")], &["a.yaml"], "a.yaml:2:1: kind: is \"Service\"")]
#[case::no_name(&[("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {}\n")], &["a.yaml"], "a.yaml:3:11: metadata.name")]
#[case::bad_in_two_sorts(&[("a.yaml", "kind: Pod\n---\nkind: NetworkAttachmentDefinition\n")], &["a.yaml"], "a.yaml:3:1: apiVersion")]
#[case::no_folder(&[("a.yaml", NAD)], &["a.yaml", "-o", "no/b.yaml"], "existing folder")]
#[case::no_argument(&[], &[], "FILE")]
#[tokio::test]
async fn a_bad_file_is_refused_at_its_place(
    #[case] files: &[(&str, &str)],
    #[case] args: &[&str],
    #[case] wanted: &str,
) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    write(dir.path(), files)?;
    let refused = new(dir.path(), args).await?;
    assert_eq!(code(&refused), Some(2), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains(wanted), "wanted {wanted:?} in: {}", refused.stderr);
    assert_eq!(std::fs::read_dir(dir.path())?.count(), files.len(), "nothing was written");
    Ok(())
}

/// Networks and pods in one file: each sort gets a file of its own, and none is overwritten.
#[tokio::test]
async fn a_file_with_networks_and_pods_is_split() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: a, annotations: { k8s.v1.cni.cncf.io/networks: fast } }\n\
               spec: { containers: [{ name: a, image: b }] }\n";
    write(dir.path(), &[("app.yaml", &format!("{NAD}---\n{pod}"))])?;
    let printed = new(dir.path(), &["app.yaml"]).await?;
    assert_eq!(code(&printed), Some(2), "{}", printed.stdout);
    assert!(printed.stderr.contains("--output"), "{}", printed.stderr);
    std::fs::create_dir(dir.path().join("s"))?;
    write(dir.path(), &[("s/app-pods.yaml", "mine")])?;
    let refused = new(dir.path(), &["app.yaml", "-o", "s.yaml"]).await?;
    assert_eq!(code(&refused), Some(2), "{}", refused.stdout);
    assert_eq!(std::fs::read_dir(dir.path().join("s"))?.count(), 1, "what was written is removed");
    std::fs::remove_file(dir.path().join("s/app-pods.yaml"))?;
    let written = new(dir.path(), &["app.yaml", "-o", "./s.yaml"]).await?;
    assert_eq!(code(&written), Some(0), "{}", written.stderr);
    assert_eq!(std::fs::read_to_string(dir.path().join("s/app-networks.yaml"))?, NAD);
    assert_eq!(code(&run(&["render", &dir.path().join("s.yaml").display().to_string()]).await?), Some(0));
    Ok(())
}

/// A manifest out of the scenario's reach: nothing is written that can't be loaded.
#[tokio::test]
async fn a_scenario_that_could_not_be_loaded_is_not_written() -> anyhow::Result<()> {
    let (one, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write(one.path(), &[("nad.yaml", NAD)])?;
    std::fs::create_dir(other.path().join("in"))?;
    let far = one.path().join("nad.yaml").display().to_string();
    let refused = new(&other.path().join("in"), &[&far, "-o", "s.yaml"]).await?;
    assert_eq!(code(&refused), Some(2), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("outside the suite's folders"), "{}", refused.stderr);
    assert!(!other.path().join("in/s.yaml").exists());
    Ok(())
}

/// Every network and every pod of the suite that is a file.
#[tokio::test]
async fn a_scenario_is_written_from_every_manifest_of_the_suite() -> anyhow::Result<()> {
    let root = root::find()?;
    let mut folders = vec![root.join("suites/scenarios")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let has_objects = ["kind: NetworkAttachmentDefinition", "kind: Pod", "      containers:"]
                .iter()
                .any(|line| text.lines().any(|other| other.starts_with(line)));
            if path.extension().is_none_or(|extension| extension != "yaml") || !has_objects {
                continue;
            }
            seen += 1;
            let printed = new(&root, &[&path.display().to_string()]).await?;
            assert_eq!(code(&printed), Some(0), "{}: {}", path.display(), printed.stderr);
        }
    }
    anyhow::ensure!(seen >= 10, "{seen}");
    Ok(())
}
