//! Behaviour of route-override that a scenario file can't express: CHECK, upstream's panic, a plugin deleted after bring-up.

use anyhow::Context as _;
use plumbline::{root, select, session};
use plumbline_core::cni::{ChainOutcome, CniCommand};
use plumbline_core::finding::FindingCode;
use plumbline_core::judge::verdict;
use plumbline_core::plan::{Bridge, Plan};
use plumbline_core::protocol::{CniRequest, Op, Outcome, Target};
use plumbline_core::record::{FaultRule, InjectedFault, RECORDER_SUFFIX, Recorder};
use plumbline_core::verdict::Verdict;
use plumbline_lanes::agent::NodeAgent;
use plumbline_lanes::context::{Context, Options};
use plumbline_lanes::lane::Lane as _;
use plumbline_lanes::netns::{NetnsLane, binaries};
use plumbline_suites::trials::{self, TestTarget};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const FIRST: &str = "silent/unusable-chain[route-override-first]";

/// A negative scenario.
fn plan(name: &str) -> anyhow::Result<Plan> {
    let root = root::find()?;
    std::env::set_current_dir(&root)?;
    Ok(select::named(Some(&root), Path::new(trials::NEGATIVE), name)?)
}

fn context(options: Options) -> anyhow::Result<Context> {
    Ok(session::context(&root::find()?, options, Arc::new(|_| {}), CancellationToken::new(), "test")?)
}

/// A plugin that is a shell script. It answers VERSION with one version.
fn script(folder: &Path, name: &str, body: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n[ \"$CNI_COMMAND\" = VERSION ] && exit 0\n{body}\n"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// A fault that repeats at a command what upstream's binary did in a recorded case of `golden/route-override.json`.
fn find_recorded_fault(id: &str) -> anyhow::Result<FaultRule> {
    let text = std::fs::read_to_string(root::find()?.join("suites/golden/route-override.json"))?;
    let golden: Value = serde_json::from_str(&text)?;
    let cases = golden["cases"].as_array().context("the recorded cases are a list")?;
    let case = cases.iter().find(|case| case["id"] == id).with_context(|| format!("no recorded case {id}"))?;
    let text = |field: &str| match &case[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let exit = case["exit"].as_u64().and_then(|code| u8::try_from(code).ok());
    Ok(FaultRule {
        commands: vec![text("command")],
        ifname: None,
        after: false,
        fault: InjectedFault::Exit {
            code: exit.context("an exit code")?,
            stdout: text("stdout"),
            stderr: text("stderr"),
        },
    })
}

/// Upstream's binary, first in its chain: exit 2, nothing on standard output, a Go panic on standard error. The agent's
/// `record` wrapper replaces it and does what upstream's binary did in the recorded case.
#[test]
fn a_panic_of_the_plugin_is_reported_in_its_own_words() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let faults =
        ["version", "noprev", "del-noop"].map(find_recorded_fault).into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let InjectedFault::Exit { code: 2, stdout, stderr } = &faults[1].fault else { anyhow::bail!("{:?}", faults[1]) };
    anyhow::ensure!(
        stdout.is_empty() && stderr.starts_with("panic: "),
        "the recorded case is no panic: {:?}",
        faults[1]
    );
    let recorder = Recorder { plugin: None, log: "/tmp/route-override.log".to_owned(), faults };
    let path = folder.path().join("route-override");
    let cx = context(Options::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let agent = runtime.block_on(binaries::find(&cx))?.node.swap_remove(0);
    std::fs::copy(agent, &path)?;
    std::fs::write(folder.path().join(format!("route-override{RECORDER_SUFFIX}")), serde_json::to_vec(&recorder)?)?;
    let plugins = BTreeMap::from([("route-override".to_owned(), path)]);
    let report = trials::run_with(TestTarget::lane("netns"), plan(FIRST)?, Options { plugins, ..Options::default() })?;
    let Verdict::Fail { findings, .. } = report.verdict else { anyhow::bail!("expected a fail: {:?}", report.verdict) };
    assert_eq!(
        findings.iter().map(|finding| finding.code).collect::<Vec<_>>(),
        [FindingCode::PL101, FindingCode::PL604]
    );
    let words = format!("{:?} {}", findings[0].found, findings[0].notes.join("\n"));
    assert!(words.contains("panic: "), "{words}");
    Ok(())
}

/// The plugin exists when the lane is opened, and every check passes. Then it is deleted.
#[tokio::test]
async fn a_plugin_deleted_after_bring_up_fails_the_chain() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = script(folder.path(), "no-such-plugin", "exit 1")?;
    let cx = context(Options { cni_path: vec![folder.path().to_owned()], ..Options::default() })?;
    let plan = plan("silent/unusable-chain[plugin-unknown]")?;
    let lane = NetnsLane.open(&cx).await?;
    std::fs::remove_file(path)?;
    let mut scene = lane.stage(&cx, &plan).await?;
    let seen = scene.observe(&cx).await;
    let left = scene.close().await.lines();
    lane.close().await;
    anyhow::ensure!(left.is_empty(), "left behind: {left:?}");
    let Verdict::Fail { findings, .. } = verdict(&plan, &seen?, false) else {
        anyhow::bail!("a chain without one of its plugins must fail");
    };
    assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), [FindingCode::PL101]);
    let notes = findings[0].notes.join("\n");
    assert!(
        notes.contains("plugin 2 of 2") && notes.contains("no-such-plugin") && notes.contains("not found"),
        "{notes}"
    );
    Ok(())
}

/// A node with one pod.
struct Node(NodeAgent);

impl Node {
    async fn start() -> anyhow::Result<Self> {
        let binaries = binaries::find(&context(Options::default())?).await?;
        let mut agent = NodeAgent::start(&binaries.node)?;
        agent.check_protocol().await?;
        agent.make_bridges(&[Bridge { name: "br-ex".to_owned(), ..Bridge::default() }]).await?;
        agent.add_pod("client", 1).await?;
        Ok(Self(agent))
    }

    async fn run_cni(
        &mut self,
        command: CniCommand,
        config: &Value,
        args_cni: Option<Value>,
    ) -> anyhow::Result<ChainOutcome> {
        let request = CniRequest {
            command,
            pod: "client".to_owned(),
            container_id: "c1".to_owned(),
            ifname: "eth1".to_owned(),
            config: config.to_string(),
            capability_args: BTreeMap::new(),
            cni_args: Vec::new(),
            args_cni,
            deadline_ms: 30_000,
            with_state: false,
        };
        Ok(self.0.run_chain(request, 2).await?)
    }

    async fn run_ip(&mut self, words: &str) -> anyhow::Result<()> {
        let argv = ["ip"].into_iter().chain(words.split(' ')).map(str::to_owned).collect();
        let op = Op::Exec { target: Target::Pod("client".to_owned()), argv, deadline_ms: 10_000 };
        match self.0.call(op, Duration::from_secs(20)).await {
            Ok(Outcome::Ran { code: Some(0), .. }) => Ok(()),
            other => anyhow::bail!("ip {words}: {other:?}"),
        }
    }
}

/// A route that delroutes removed, and a default route that covers it: CHECK reports it as still there, because it
/// requests a route to it from the kernel (route-override.go, cmdCheck; case `check-delroutes` of `golden/route-override.json`).
/// skipcheck is for that, by configuration and by arguments.
#[rstest]
#[case::macvlan(json!({"type": "macvlan", "master": "br-ex", "mode": "bridge"}))]
#[case::bridge(json!({"type": "bridge", "bridge": "br-routed"}))]
#[case::ptp(json!({"type": "ptp"}))]
#[tokio::test]
async fn check_passes_after_delroutes_only_with_skipcheck(#[case] main_plugin: Value) -> anyhow::Result<()> {
    let mut main_plugin = main_plugin;
    main_plugin["ipam"] = json!({
        "type": "static",
        "addresses": [{"address": "192.168.100.10/24", "gateway": "192.168.100.1"}],
        "routes": [{"dst": "10.1.0.0/16"}, {"dst": "10.2.0.0/16"}],
    });
    let chain = |options: Value| {
        let mut link = json!({"type": "route-override", "delroutes": [{"dst": "10.1.0.0/16"}]});
        link.as_object_mut().expect("an object").extend(options.as_object().cloned().unwrap_or_default());
        json!({"cniVersion": "1.0.0", "name": "checked", "plugins": [main_plugin, link]})
    };
    let mut node = Node::start().await?;
    let plain = chain(json!({}));
    let added = node.run_cni(CniCommand::Add, &plain, None).await?;
    assert_eq!(added.error, None);
    node.run_ip("route add default via 192.168.100.1 dev eth1 metric 9").await?;

    let checked = node.run_cni(CniCommand::Check, &plain, None).await?;
    let error = checked.error.context("CHECK must complain")?;
    assert_eq!((error.position, error.plugin.as_deref()), (Some(1), Some("route-override")), "{}", error.message);
    assert!(error.message.contains("route is not removed"), "{}", error.message);

    let by_configuration = node.run_cni(CniCommand::Check, &chain(json!({"skipcheck": true})), None).await?;
    assert_eq!(by_configuration.error, None);
    let by_arguments = node.run_cni(CniCommand::Check, &plain, Some(json!({"skipcheck": true}))).await?;
    assert_eq!(by_arguments.error, None);
    let deleted = node.run_cni(CniCommand::Del, &plain, None).await?;
    assert_eq!(deleted.error, None);
    node.0.end().await;
    Ok(())
}
