//! `plumbline chain` with files: its output, its exit codes, and that it changes
//! nothing. Also the cases of requirement R15. Needs neither lane nor cluster.

use anyhow::Context as _;
use plumbline::requirements::cases;
use plumbline_core::lint::InputFile;
use plumbline_report::{chain, paint};
use plumbline_suites::command::plumbline;
use plumbline_suites::golden;
use plumbline_testbed::exec::{ProcessEnd, Transcript};
use rstest::rstest;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const PUBLIC: &str = "suites/chains/ack/public-access/eni-config.yaml";
const NODE: &str = "suites/chains/ack/node-access/eni-config.yaml";
const V2: &str = "suites/chains/ack/datapath-v2/eni-config.yaml";
const LESS: &str = "suites/chains-negative/ack/public-access-on-v2/eni-config.yaml";

/// Only a test's own program stops a change after a step (`chain-apply-stopped`).
#[test]
fn no_environment_variable_stops_a_change() -> anyhow::Result<()> {
    let program = std::fs::read(plumbline_suites::command::program()?)?;
    let has = |text: &[u8]| program.windows(text.len()).any(|part| part == text);
    assert!(has(b"PLUMBLINE_ROOT") && !has(b"PLUMBLINE_CHAIN_STOP"));
    Ok(())
}

fn code(of: &Transcript) -> Option<i32> {
    match of.ending {
        ProcessEnd::Code(code) => Some(code),
        _ => None,
    }
}

/// Runs with cache and state in folders that must not be created.
async fn chain(args: &[&str]) -> anyhow::Result<Transcript> {
    let home = tempfile::tempdir()?;
    let (cache, state) = (home.path().join("cache"), home.path().join("state"));
    let path = |path: &Path| path.display().to_string();
    let all: Vec<&str> = ["chain"].iter().chain(args).copied().collect();
    let done = plumbline(&all)?.env("PLUMBLINE_CACHE", path(&cache)).env("PLUMBLINE_STATE", path(&state)).run().await?;
    anyhow::ensure!(!cache.exists() && !state.exists(), "something was made");
    Ok(done)
}

/// Every case of `suites/chains` and every negative case gives the findings that its file names. The first case that shows
/// a code, negative cases and those with few findings first, gives the code's golden text.
#[test]
fn each_chain_case_gives_the_findings_that_its_file_names() -> anyhow::Result<()> {
    let root = plumbline::root::find()?;
    let cases = cases::read_lints(&root)?;
    assert!(cases.iter().filter(|case| case.is_negative).count() >= 5 && cases.len() >= 10);
    let mut wrong = Vec::new();
    let mut found = Vec::new();
    for case in &cases {
        let outcome = case.lint()?;
        wrong.extend(outcome.wrong.iter().map(|line| format!("{}: {line}", case.name)));
        for report in outcome.reports {
            let file = case.manifest.strip_prefix(&root)?.display().to_string();
            found.push((!case.is_negative, report.findings.len(), &case.name, file, report));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    found.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
    let mut shown = BTreeSet::new();
    for (.., file, report) in &found {
        let mut findings = report.findings.clone();
        for source in findings.iter_mut().filter_map(|finding| finding.source.as_mut()) {
            source.file = source.file.replace(&format!("{}/", root.display()), "");
        }
        for finding in &findings {
            if shown.insert(finding.code) {
                golden::check_finding(&root, finding.code, "lint", file, &findings)?;
            }
        }
    }
    let (.., file, report) = found.iter().find(|(.., report)| report.findings.len() > 1).context("a report")?;
    let name = root.join(file).display().to_string();
    let files = [InputFile::new(&name, std::fs::read_to_string(&name)?)];
    let text = paint::strip(&chain::lint(file, report, report.failed(), &files));
    golden::check_text(&root, "chain/lint", "", &text.replace(&format!("{}/", root.display()), ""));
    Ok(())
}

/// A file that is no eni-config: exit 2 within a second, with file, line and field.
#[rstest]
#[case::not_there(None, "cannot read")]
#[case::empty(Some(""), "is empty")]
#[case::not_yaml(Some("kind: ConfigMap\n\tdata: x\n"), "bad.yaml:1:7: not YAML")]
#[case::another_kind(Some("apiVersion: v1\nkind: Pod\nmetadata: { name: a }\n"), "bad.yaml:2:7: kind: is \"Pod\"")]
#[case::another_name(
    Some("kind: ConfigMap\nmetadata: { name: a }\ndata: {}\n"),
    "bad.yaml:2:19: metadata.name: is \"a\""
)]
#[case::data_is_a_list(
    Some("kind: ConfigMap\nmetadata: { name: eni-config }\ndata: []\n"),
    "bad.yaml:3:7: data: must be a mapping"
)]
#[case::a_key_that_is_no_text(
    Some("kind: ConfigMap\nmetadata: { name: eni-config }\ndata:\n  10-terway.conf: {}\n"),
    "bad.yaml:4:19: data[10-terway.conf]: must be a text"
)]
#[tokio::test]
async fn a_bad_file_is_refused_at_its_place(#[case] text: Option<&str>, #[case] place: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("bad.yaml").display().to_string();
    if let Some(text) = text {
        std::fs::write(&file, text)?;
    }
    for args in [
        vec!["lint", &file],
        vec!["show", &file],
        vec!["plan", &file, "--from", PUBLIC],
        vec!["plan", PUBLIC, "--from", &file],
    ] {
        let refused = chain(&args).await?;
        assert_eq!(code(&refused), Some(2), "{args:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(place), "wanted {place:?} in: {}", refused.stderr);
        assert!(refused.stdout.is_empty(), "{}", refused.stdout);
        assert!(refused.duration < Duration::from_secs(1), "took {:?}", refused.duration);
    }
    Ok(())
}

#[rstest]
#[case::in_order(&["lint", PUBLIC, "--access", "public", "--datapath-v2", "no"], 0)]
#[case::an_error(&["lint", NODE, "--access", "public"], 1)]
#[case::a_warning(&["lint", PUBLIC, "--access", "node"], 0)]
#[case::a_strict_warning(&["lint", PUBLIC, "--access", "node", "--strict"], 1)]
#[case::a_version_that_is_none(&["lint", PUBLIC, "--terway-version", "new"], 2)]
#[case::an_access_that_is_none(&["lint", PUBLIC, "--access", "moon"], 2)]
#[case::no_file(&["lint"], 2)]
#[case::nothing_on_standard_input(&["lint", "-"], 2)]
#[case::nodes_of_a_file(&["show", PUBLIC, "--nodes"], 2)]
#[case::nodes_of_two_files(&["plan", V2, "--from", LESS, "--nodes"], 2)]
#[case::shown(&["show", PUBLIC], 0)]
#[case::shown_and_refused(&["show", "suites/chains-negative/ack/not-json/eni-config.yaml"], 1)]
#[case::planned(&["plan", V2, "--from", LESS], 0)]
#[case::planned_and_refused(&["plan", LESS, "--from", V2, "--access", "public"], 1)]
#[tokio::test]
async fn exit_codes_follow_the_result(#[case] args: &[&str], #[case] wanted: i32) -> anyhow::Result<()> {
    let done = chain(args).await?;
    assert_eq!(code(&done), Some(wanted), "{}{}", done.stdout, done.stderr);
    Ok(())
}

/// `chain show` and `chain plan` of files: one golden file each.
#[rstest]
#[case::show("show", vec![vec!["show", V2], vec!["show", "suites/chains-negative/ack/not-json/eni-config.yaml"]])]
#[case::plan("plan", vec![
    vec!["plan", V2, "--from", LESS, "--access", "public"],
    vec!["plan", LESS, "--from", V2, "--access", "public"],
    vec!["plan", V2, "--from", V2],
    vec!["plan", PUBLIC, "--from", V2],
])]
#[tokio::test]
async fn texts_of_files_match_their_golden_text(#[case] name: &str, #[case] all: Vec<Vec<&str>>) -> anyhow::Result<()> {
    let mut texts = Vec::new();
    for args in all {
        texts.push((args.join(" "), chain(&args).await?.stdout));
    }
    check_texts(&format!("chain/{name}"), &texts)
}

/// Compares several texts with one golden file, each under a line with its name.
fn check_texts(file: &str, texts: &[(impl AsRef<str>, String)]) -> anyhow::Result<()> {
    let texts: Vec<String> =
        texts.iter().map(|(name, text)| format!("==== {}\n{}", name.as_ref(), paint::strip(text))).collect();
    golden::check_text(&plumbline::root::find()?, file, "", &texts.join("\n"));
    Ok(())
}

#[tokio::test]
async fn json_has_the_same_content() -> anyhow::Result<()> {
    let read = |done: &Transcript| serde_json::from_str::<serde_json::Value>(&done.stdout);
    let lint = read(&chain(&["lint", NODE, "--access", "public", "-o", "json"]).await?)?;
    assert_eq!((&lint["failed"], &lint["findings"][0]["code"]), (&true.into(), &"PL628".into()), "{lint}");
    assert_eq!(lint["table"][1]["need"], "required");
    let show = read(&chain(&["show", NODE, "-o", "json"]).await?)?;
    let wanted = std::fs::read_to_string(plumbline::root::find()?.join(NODE))?;
    let chain_text = show["chain"].as_str().unwrap_or_default();
    assert!(chain_text.lines().all(|line| wanted.contains(line)) && chain_text.ends_with("}\n"), "byte for byte");
    let plan = read(&chain(&["plan", V2, "--from", LESS, "-o", "json"]).await?)?;
    assert_eq!((&plan["unchanged"], &plan["restarts"]), (&false.into(), &"kube-system/terway-eniip".into()));
    Ok(())
}

/// One command shows requirement R15.
#[tokio::test]
async fn the_requirement_is_shown() -> anyhow::Result<()> {
    let done = plumbline(&["requirements", "R15"])?.run().await?;
    assert_eq!(code(&done), Some(0), "{}{}", done.stdout, done.stderr);
    assert!(
        done.stdout.contains("1 of 1 place shown") && done.stdout.contains("negative, as expected"),
        "{}",
        done.stdout
    );
    Ok(())
}

/// A cluster made by hand: texts of `chain apply`, `chain restore`, and of other commands that need a cluster.
#[test]
fn texts_of_a_cluster_match_their_golden_text() -> anyhow::Result<()> {
    use plumbline_core::terway::{
        Applied, ClusterSeen, EniConfig, NodeFacts, NodeSeen, OldPod, Planned, PutBack, change, lint, plan, rollout,
        show,
    };
    let root = plumbline::root::find()?;
    let text = std::fs::read_to_string(root.join(NODE))?;
    let config = EniConfig::read(NODE, &text)?;
    let has = |names: &[&str]| Some(names.iter().map(|name| ((*name).to_owned(), None)).collect());
    let node = |name: &str| NodeSeen { name: name.into(), plugins: has(&["portmap"]), ..NodeSeen::default() };
    let made = plumbline_core::terway::alternatives(&config, &NodeFacts::default()).map_err(anyhow::Error::msg)?[0]
        .to_string();
    let other = made
        .replace("KUBE-MARK-MASQ", "KUBE-MARK-DROP")
        .replace("\"portMappings\":true", "\"portMappings\":true,\"mac\":true");
    let pod = |name: &str| OldPod { node: "a".into(), namespace: "shop".into(), name: name.into() };
    let seen = ClusterSeen {
        nodes: vec![
            NodeSeen { conflist: Some(made), ..node("a") },
            NodeSeen { conflist: Some(other), plugins: has(&["tuning"]), ..node("b") },
            NodeSeen {
                unread: Some("exec in terway-eniip-x: forbidden (403)".into()),
                canary: Some("event FailedCreatePodSandBox: plugin type=\"portmap\" failed (add)".into()),
                ..node("c")
            },
            NodeSeen { facts: NodeFacts { exclusive: true, ..NodeFacts::default() }, ..node("d") },
        ],
        old_pods: vec![pod("db-0"), pod("web-1")],
    };
    let steps =
        vec![("keep".to_owned(), 12), ("write".to_owned(), 9), ("restart".to_owned(), 30), ("await".to_owned(), 5600)];
    let applied = Applied {
        cluster: "context shop".into(),
        rollout: rollout(&config, &seen),
        kept: "eni-config-kept-r0".into(),
        steps,
        millis: 5651,
        ..Applied::default()
    };
    let back = PutBack { run: "r0".into(), written: true, restarted: true, ..PutBack::default() };
    let failed = Applied { failed: Some("compare: PL636: node b".into()), ..applied.clone() };
    let fine = Applied {
        rollout: rollout(&config, &ClusterSeen { nodes: vec![], old_pods: seen.old_pods.clone() }),
        ..applied.clone()
    };
    let texts = [
        ("applied", chain::applied(&fine)),
        (
            "applied-on-ours",
            chain::applied(&Applied { stand_ins: vec!["terway (CNI plugin): a stand-in".into()], ..fine.clone() }),
        ),
        (
            "applied-and-error",
            chain::applied(&Applied {
                error: true,
                failed: Some("canary: pod plumbline-chain-canary-r0-1-0: OutOfpods: no place".into()),
                put_back: Some(back.clone()),
                ..fine.clone()
            }),
        ),
        ("applied-and-put-back", chain::applied(&Applied { put_back: Some(back.clone()), ..failed.clone() })),
        (
            "applied-and-left",
            chain::applied(&Applied {
                left: Some("put the old chain back: it did not answer".into()),
                rollout: Default::default(),
                ..failed.clone()
            }),
        ),
        (
            "applied-and-interrupted",
            chain::applied(&Applied {
                interrupted: true,
                failed: Some("interrupted".into()),
                put_back: Some(PutBack { restarted: false, ..back.clone() }),
                rollout: Default::default(),
                ..applied
            }),
        ),
        ("put-back", chain::put_back("context shop", Some(&PutBack { others: vec!["eni_conf".into()], ..back }))),
        ("put-back-nothing", chain::put_back("context shop", None)),
        ("show-of-a-cluster", chain::show(&show("context shop", &config, Some(&seen)))),
        ("plan-with-an-obstacle", {
            let report = lint(&config, &Default::default(), None);
            let here = ClusterSeen { nodes: vec![node("a")], old_pods: vec![] };
            let planned = plan(("context shop", NODE), &change(&config, &config), report, Some((&config, &here)));
            let may = chain::plan(&planned).lines().last().map(str::to_owned).context("a last line")?;
            anyhow::ensure!(paint::strip(&may).contains("apply would take this, if every node can be read"), "{may}");
            chain::plan(&Planned { obstacle: Some("context shop: the change r0 is open".into()), ..planned })
        }),
        ("lint-of-a-cluster", {
            let report = lint(&config, &Default::default(), Some(&seen));
            chain::lint("context shop", &report, report.failed(), &[])
        }),
    ];
    check_texts("chain/cluster", &texts)
}
