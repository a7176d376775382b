//! `plumbline lint` as users meet it: each report as golden text, exit codes, bad files, and that nothing is written.

mod api_server;
mod cluster;
mod programs;
mod sarif;

use plumbline_suites::command::plumbline;
use plumbline_suites::golden;
use plumbline_testbed::exec::{ProcessEnd, Transcript};
use rstest::rstest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const CLEAN: &str = r#"{ "cniVersion": "1.0.0", "name": "lan", "plugins": [
  { "type": "bridge", "bridge": "br0", "ipam": { "type": "host-local", "subnet": "192.0.2.0/24" } } ] }"#;
const WARNS: &str = r#"{ "cniVersion": "1.0.0", "name": "lan", "plugins": [
  { "type": "macvlan", "master": "eth1", "vlan": 100, "ipam": { "type": "host-local", "subnet": "192.0.2.0/24" } } ] }"#;
const FAILS: &str = "apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: { name: lan }
spec: { config: '{ \"type\": }' }
";

fn code(of: &Transcript) -> Option<i32> {
    match of.ending {
        ProcessEnd::Code(code) => Some(code),
        _ => None,
    }
}

/// Runs the lint in a folder, with cache and state in folders that must not come to be.
async fn lint(dir: &Path, args: &[&str], stdin: &[u8]) -> anyhow::Result<Transcript> {
    let home = tempfile::tempdir()?;
    let path = |name: &str| home.path().join(name).display().to_string();
    let cmd = plumbline(&[&["lint"], args].concat())?.dir(dir).stdin(stdin);
    let done = cmd.env("PLUMBLINE_CACHE", path("cache")).env("PLUMBLINE_STATE", path("state")).run().await?;
    anyhow::ensure!(std::fs::read_dir(home.path())?.next().is_none(), "cache or state was made");
    Ok(done)
}

fn suites() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[rstest]
#[case::human("human")]
#[case::json("json")]
#[case::sarif("sarif")]
#[case::github("github")]
#[tokio::test]
async fn each_report_is_a_golden_text(#[case] format: &str) -> anyhow::Result<()> {
    let done = lint(&suites().join("lint"), &["first", "--output", format], b"").await?;
    assert_eq!((code(&done), done.stderr.as_str()), (Some(0), ""), "{}", done.stdout);
    let text = match format {
        "sarif" => {
            let mut log: serde_json::Value = serde_json::from_str(&done.stdout)?;
            let driver = &mut log["runs"][0]["tool"]["driver"];
            driver["version"] = "VERSION".into();
            for rule in driver["rules"].as_array_mut().into_iter().flatten() {
                rule["help"] = "PAGE".into();
            }
            serde_json::to_string_pretty(&log)?
        }
        _ => done.stdout,
    };
    golden::check_text(&suites().join(".."), &format!("lint/{format}"), "plumbline lint first", &text);
    Ok(())
}

#[rstest]
#[case::clean(CLEAN, &[], 0)]
#[case::clean_and_strict(CLEAN, &["--strict"], 0)]
#[case::warns(WARNS, &[], 0)]
#[case::warns_and_strict(WARNS, &["--strict"], 1)]
#[case::ignored(WARNS, &["--strict", "--ignore", "PL601"], 0)]
#[case::fails(FAILS, &[], 1)]
#[case::not_yaml("kind: [", &[], 2)]
#[case::empty("", &[], 4)]
#[case::other_kinds("apiVersion: v1\nkind: Service\nmetadata: { name: a }\n", &[], 4)]
#[tokio::test]
async fn the_exit_code_follows_from_the_findings(
    #[case] text: &str,
    #[case] args: &[&str],
    #[case] expected: i32,
) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("input.yaml"), text)?;
    let by_name = lint(dir.path(), &[&["input.yaml"], args].concat(), b"").await?;
    let by_stdin = lint(dir.path(), &[&["-"], args].concat(), text.as_bytes()).await?;
    let by_folder = lint(dir.path(), &[&["."], args].concat(), b"").await?;
    for done in [by_name, by_stdin, by_folder] {
        assert_eq!(code(&done), Some(expected), "{}{}", done.stdout, done.stderr);
    }
    Ok(())
}

#[rstest]
#[case::nothing_named(&[], "--context")]
#[case::a_namespace_of_no_cluster(&[".", "-n", "a"], "--context")]
#[case::unknown_code(&[".", "--ignore", "PL999"], "PL999")]
#[case::unknown_format(&[".", "--output", "xml"], "xml")]
#[case::no_release(&[".", "--plugin-version", "macvlan=new"], "macvlan=new")]
#[case::no_plugin(&[".", "--plugin-version", "macvaln=v1.4.0"], "did you mean `macvlan`?")]
#[case::no_name(&[".", "--plugin-version", "v1.4.0"], "NAME=RELEASE")]
#[case::no_such_file(&["absent.yaml"], "absent.yaml")]
#[tokio::test]
async fn wrong_usage_is_refused(#[case] args: &[&str], #[case] word: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let refused = lint(dir.path(), args, b"").await?;
    assert_eq!(code(&refused), Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains(word), "wanted {word:?} in: {}", refused.stderr);
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_an_error_of_the_testbed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("config");
    std::fs::write(&config, "apiVersion: v1\nkind: Config\n")?;
    let cmd = plumbline(&["lint", "--context", "nowhere"])?.env("KUBECONFIG", config.display().to_string());
    let done = cmd.run().await?;
    assert_eq!(code(&done), Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("there is no context nowhere"), "{}", done.stderr);
    Ok(())
}

/// Each bad file is refused at its place, and the good one beside it is checked.
#[rstest]
#[case::not_utf8("bad.yaml", b"kind: Pod\nmetadata: \xff", "bad.yaml:2:11: not UTF-8")]
#[case::tab("bad.yaml", b"kind: Pod\n\tmetadata: {}\n", "bad.yaml:")]
#[case::duplicate_key("bad.yaml", b"kind: Pod\nkind: Pod\n", "bad.yaml:2:1")]
#[case::template("bad.yaml", b"kind: Pod\n{{ if .Values.a }}\nb: 1\n", "helm template")]
#[case::odd_name("new\nline.yaml", b"a: [", "new\\nline.yaml")]
#[case::no_archive("bad.tgz", b"text", "bad.tgz")]
#[tokio::test]
async fn a_bad_file_is_refused_at_its_place(
    #[case] name: &str,
    #[case] bytes: &[u8],
    #[case] place: &str,
) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("good.conflist"), WARNS)?;
    std::fs::write(dir.path().join(name), bytes)?;
    let refused = lint(dir.path(), &["good.conflist", name], b"").await?;
    assert_eq!(code(&refused), Some(2), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains(place), "wanted {place:?} in: {}", refused.stderr);
    assert!(!refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
    assert!(refused.stdout.contains("PL601"), "{}", refused.stdout);
    assert!(refused.duration < Duration::from_secs(1), "took {:?}", refused.duration);
    Ok(())
}

/// What a NAD holds, or a file of a node, is no input of the lint's own: a text that is no JSON is a finding.
#[tokio::test]
async fn a_configuration_that_is_no_json_is_a_finding() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("bad.conflist"), "{ \"plugins\": [")?;
    let failed = lint(dir.path(), &["bad.conflist"], b"").await?;
    assert_eq!((code(&failed), failed.stderr.as_str()), (Some(1), ""), "{}", failed.stdout);
    assert!(failed.stdout.contains("failure PL603") && failed.stdout.contains("bad.conflist:1:"), "{}", failed.stdout);
    Ok(())
}

/// A repository has files of other programs.
#[tokio::test]
async fn a_folder_with_foreign_files_passes() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    for (name, text) in [
        ("good.conflist", CLEAN),
        ("babel.json", r#"{ "name": "pkg", "plugins": ["a"] }"#),
        ("journald.conf", "[Journal]\n"),
        ("cfn.yaml", "a: !Ref b\n"),
    ] {
        std::fs::write(dir.path().join(name), text)?;
    }
    let done = lint(dir.path(), &["."], b"").await?;
    assert_eq!((code(&done), done.stderr.as_str()), (Some(0), ""), "{}", done.stdout);
    for line in ["PASS, 1 object checked", "skipped: cfn.yaml:1:", "skipped: journald.conf: no CNI configuration"] {
        assert!(done.stdout.contains(line), "wanted {line:?} in: {}", done.stdout);
    }
    let refused = lint(dir.path(), &["cfn.yaml"], b"").await?;
    assert_eq!(code(&refused), Some(2), "{}", refused.stdout);
    Ok(())
}

/// Sizes, links and kinds of files that a reader could hang or fall over.
#[tokio::test]
async fn odd_files_end_within_a_second() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("good.conflist"), CLEAN)?;
    std::fs::File::create(at("sparse.yaml"))?.set_len(100 << 20)?;
    std::os::unix::fs::symlink(".", at("circle"))?;
    nix::unistd::mkfifo(&at("pipe.yaml"), nix::sys::stat::Mode::S_IRWXU)?;
    let done = lint(dir.path(), &["."], b"").await?;
    assert_eq!(code(&done), Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("sparse.yaml: larger than 8388608 bytes"), "{}", done.stderr);
    assert!(done.stdout.contains("skipped: 2 files"), "{}", done.stdout);
    assert!(done.duration < Duration::from_secs(1), "took {:?}", done.duration);
    Ok(())
}

#[tokio::test]
async fn nothing_is_written() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    for (name, text) in [("a.yaml", FAILS), ("b.conflist", WARNS), ("c.yaml", "a: [")] {
        std::fs::write(dir.path().join(name), text)?;
    }
    let before = list(dir.path())?;
    for format in ["human", "json", "sarif", "github"] {
        lint(dir.path(), &[".", "--output", format], b"").await?;
    }
    assert_eq!(list(dir.path())?, before);
    Ok(())
}

/// The page for newcomers shows a file and what the command prints for it.
#[tokio::test]
async fn the_page_shows_what_the_command_prints() -> anyhow::Result<()> {
    let page = std::fs::read_to_string(suites().join("../docs/lint.md"))?;
    let file = std::fs::read_to_string(suites().join("lint/first/nad.yaml"))?;
    let done = lint(&suites().join("lint/first"), &["nad.yaml"], b"").await?;
    assert!(page.contains(&format!("```yaml\n{file}```\n")), "docs/lint.md has another file");
    let output = format!("$ plumbline lint nad.yaml\n{}```\n", done.stdout);
    assert!(page.contains(&output), "docs/lint.md has another output than:\n{}", done.stdout);
    Ok(())
}

/// Name, time of change and content of each file of a folder.
fn list(folder: &Path) -> anyhow::Result<BTreeMap<PathBuf, (SystemTime, Vec<u8>)>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        found.insert(entry.path(), (entry.metadata()?.modified()?, std::fs::read(entry.path())?));
    }
    Ok(found)
}
