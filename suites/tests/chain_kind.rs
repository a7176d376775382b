//! Changing Terway's chain on a real cluster, the profile `terway`: it arrives on every node; when anything fails, is
//! interrupted or killed, the old one is back byte for byte. Each test ends with the cluster as it was.

use anyhow::{Context as _, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use plumbline::session;
use plumbline_bed::engine::Engine;
use plumbline_bed::exec::{Cmd, Ending, Transcript};
use plumbline_bed::folders;
use plumbline_bed::journal::Effect;
use plumbline_bed::lease::{Kind, Lease};
use plumbline_bed::wait::{self, Deadline, Look};
use plumbline_lanes::chain::kept::Kept;
use plumbline_lanes::cluster;
use plumbline_lanes::registry;
use plumbline_suites::chain::put;
use plumbline_suites::command::plumbline;
use plumbline_suites::context;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

const PROFILE: &str = "terway";
/// The steps of an apply, in order.
const STEPS: [&str; 6] = ["keep", "write", "restart", "await", "compare", "prove"];
/// Stands still after a step of that name.
const STOP: &str = "PLUMBLINE_CHAIN_STOP_AFTER";

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("apply/the_chain_arrives_on_every_node_and_the_old_one_comes_back", || with(arrives)),
        Trial::test("apply/a_chain_that_fails_pods_is_put_back", || with(failing)),
        Trial::test("apply/what_is_not_fit_touches_nothing", || with(refused)),
        Trial::test("apply/a_context_wants_a_yes", || with(foreign)),
        Trial::test("apply/interrupted_it_puts_the_old_chain_back", || with(interrupted)),
        Trial::test("restore/what_somebody_else_wrote_is_left_alone", || with(anothers)),
        Trial::test("restore/gc_undoes_what_a_killed_one_left", || with(undone)),
    ];
    trials.extend(STEPS.map(|step| {
        Trial::test(format!("restore/killed_after_{step}"), move || with(async |bed: &Bed| killed(bed, step).await))
    }));
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// The cluster as a test has it: alone among these tests, its ConfigMap remembered.
struct Bed {
    engine: Engine,
    control_plane: String,
    kubeconfig: PathBuf,
    before: BTreeMap<String, String>,
    /// What others have kept there: none of these tests' business.
    others: Vec<String>,
    dir: tempfile::TempDir,
}

fn with(test: impl AsyncFn(&Bed) -> anyhow::Result<()>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let tested: anyhow::Result<()> = runtime.block_on(async {
        // The commands under test hold the cluster themselves; among each other these tests come one by one.
        let _alone = Lease::take("chain-tests", Kind::Exclusive, Deadline::after(Duration::from_secs(900))).await?;
        let cx = context::of(PROFILE, "chain test")?;
        let cluster = cluster::alone(cluster::up(&cx).await?).await?;
        put(&cx, &cluster, None).await?;
        let (engine, kubeconfig) = (cluster.engine().clone(), cluster.kubeconfig.clone());
        let control_plane = format!("{}-control-plane", cluster.name);
        drop(cluster);
        let left = session::close(&cx).await;
        ensure!(left.is_empty(), "left behind: {left:?}");
        let dir = tempfile::tempdir()?;
        let mut bed = Bed { engine, control_plane, kubeconfig, before: BTreeMap::new(), others: Vec::new(), dir };
        bed.before = bed.data().await?;
        bed.others = bed.copies().await?;
        let tested = test(&bed).await;
        // Whatever a test left, the next one finds the chain that was.
        while !bed.copies().await?.is_empty() && chain(&["restore"]).await?.ending == Ending::Code(0) {}
        tested?;
        ensure!(bed.data().await? == bed.before, "the ConfigMap is not as it was");
        ensure!(bed.copies().await?.is_empty(), "copies are left");
        Ok(())
    });
    tested.map_err(|error| format!("{error:#}").into())
}

/// `plumbline chain` on the cluster of the profile.
fn command(args: &[&str]) -> anyhow::Result<Cmd> {
    let mut all = vec!["chain"];
    all.extend(args);
    all.extend(["--profile", PROFILE]);
    Ok(plumbline(&all)?.deadline(Duration::from_secs(300)))
}

async fn chain(args: &[&str]) -> anyhow::Result<Transcript> {
    Ok(command(args)?.run().await?)
}

fn code(of: &Transcript) -> anyhow::Result<i32> {
    match of.ending {
        Ending::Code(code) => Ok(code),
        _ => anyhow::bail!("it did not end by itself: {of:?}"),
    }
}

impl Bed {
    /// Runs kubectl on the control plane, in kube-system.
    async fn kubectl(&self, words: &[&str]) -> anyhow::Result<String> {
        let argv = [&["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "-n", "kube-system"], words].concat();
        let done = self.engine.exec_ok("kubectl", &self.control_plane, &argv, None, Duration::from_secs(60)).await?;
        Ok(done.stdout)
    }

    /// All keys of eni-config, byte for byte.
    async fn data(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let map: Value = serde_json::from_str(&self.kubectl(&["get", "configmap", "eni-config", "-o", "json"]).await?)?;
        Ok(serde_json::from_value(map["data"].clone())?)
    }

    /// The names of what these tests have kept.
    async fn copies(&self) -> anyhow::Result<Vec<String>> {
        let names = self.kubectl(&["get", "configmaps", "-o", "name"]).await?;
        let kept = names.lines().filter_map(|name| name.strip_prefix("configmap/"));
        let own = |name: &&str| name.starts_with("eni-config-kept-") && !self.others.iter().any(|other| other == name);
        Ok(kept.filter(own).map(str::to_owned).collect())
    }

    async fn generation(&self) -> anyhow::Result<String> {
        self.kubectl(&["get", "daemonset", "terway-eniip", "-o", "jsonpath={.metadata.generation}"]).await
    }

    /// Writes a chain past Plumbline.
    async fn put(&self, chain: &str) -> anyhow::Result<()> {
        let patch = json!({ "data": { "10-terway.conflist": chain } }).to_string();
        self.kubectl(&["patch", "configmap", "eni-config", "--type", "merge", "-p", &patch]).await.map(drop)
    }

    /// A file with the cluster's own entry and these plugins behind it.
    fn file(&self, name: &str, behind: &Value) -> anyhow::Result<String> {
        let entry: Value = serde_json::from_str(self.before.get("10-terway.conf").context("an entry")?)?;
        let mut plugins = vec![entry];
        plugins.extend(behind.as_array().context("a list")?.iter().cloned());
        let list = serde_json::to_string_pretty(&json!({ "plugins": plugins }))?;
        let lines: String = list.lines().map(|line| format!("    {line}\n")).collect();
        let text =
            format!("kind: ConfigMap\nmetadata: {{ name: eni-config }}\ndata:\n  10-terway.conflist: |\n{lines}");
        let path = self.dir.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// The document's chain for a node's private address.
    fn portmap(&self) -> anyhow::Result<String> {
        let portmap = json!([{ "type": "portmap", "capabilities": { "portMappings": true }, "externalSetMarkChain": "KUBE-MARK-MASQ" }]);
        self.file("portmap.yaml", &portmap)
    }

    /// Begins an apply that stands still after a step.
    async fn standing(&self, step: &str) -> anyhow::Result<Standing> {
        let file = self.portmap()?;
        let (pid, said) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(String::new())));
        let (known, heard) = (Arc::clone(&pid), Arc::clone(&said));
        let cmd = command(&["apply", &file])?
            .env(STOP, step)
            .on_start(move |pid| _ = known.set(pid))
            .on_line(move |line| heard.lock().unwrap_or_else(PoisonError::into_inner).push_str(&format!("{line}\n")));
        let run = tokio::spawn(cmd.run());
        let look = || async {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let there = said.contains(&format!("stands still after, because {step}"));
            Ok(if there { Look::There(()) } else { Look::NotYet(said) })
        };
        let (deadline, every) = (Deadline::after(Duration::from_secs(120)), Duration::from_millis(50));
        wait::until("chain", "the apply to stand still", deadline, every, look).await?;
        Ok(Standing { pid: *pid.get().context("a pid")?, run })
    }
}

/// An apply that stands still.
struct Standing {
    pid: u32,
    run: tokio::task::JoinHandle<Result<Transcript, plumbline_bed::exec::ExecError>>,
}

impl Standing {
    /// Sends it a signal, and awaits its end.
    async fn send(self, signal: &str) -> anyhow::Result<Transcript> {
        Cmd::new("kill").args([signal.to_owned(), self.pid.to_string()]).run_ok().await?;
        Ok(self.run.await??)
    }
}

async fn arrives(bed: &Bed) -> anyhow::Result<()> {
    let file = bed.portmap()?;
    let planned: Value = serde_json::from_str(&chain(&["plan", &file, "-o", "json"]).await?.stdout)?;
    ensure!(
        planned["unchanged"] == false && planned["nodes"].as_array().is_some_and(|nodes| nodes.len() == 3),
        "{planned}"
    );
    ensure!(bed.data().await? == bed.before, "plan has changed something");
    let applied = chain(&["apply", &file, "--access", "node", "-o", "json"]).await?;
    ensure!(code(&applied)? == 0, "{}{}", applied.stdout, applied.stderr);
    let told: Value = serde_json::from_str(&applied.stdout)?;
    ensure!(told["rollout"]["checked"] == 6, "three nodes compared and three canaries: {told}");
    ensure!(told["rollout"]["untold"] == json!([]), "{told}");
    let millis = told["millis"].as_u64().context("millis")?;
    ensure!(millis < 60_000, "took {millis} ms");
    let now = bed.data().await?;
    ensure!(now.contains_key("10-terway.conflist") && now.len() == bed.before.len() + 1, "one key more: {now:?}");
    ensure!(bed.copies().await?.len() == 1, "the old one is kept");
    let again = chain(&["apply", &file]).await?;
    ensure!(code(&again)? == 0 && again.stdout.contains("nothing would be written"), "{}", again.stdout);
    let shown = chain(&["show"]).await?;
    ensure!(code(&shown)? == 0 && shown.stdout.matches("as terway-cli must make it").count() == 3, "{}", shown.stdout);
    ensure!(shown.stdout.contains("pods made before the chain came into force"), "{}", shown.stdout);
    let back = chain(&["restore"]).await?;
    ensure!(code(&back)? == 0 && back.stdout.contains("3 nodes compared"), "{}{}", back.stdout, back.stderr);
    ensure!(bed.data().await? == bed.before, "byte for byte");
    if bed.others.is_empty() {
        ensure!(code(&chain(&["restore"]).await?)? == 4, "nothing is kept any more");
    }
    Ok(())
}

/// tuning refuses a sysctl that is not there, so no pod starts; neither the lint nor terway-cli can know.
async fn failing(bed: &Bed) -> anyhow::Result<()> {
    let file =
        bed.file("sysctl.yaml", &json!([{ "type": "tuning", "sysctl": { "net.ipv4.conf.nosuch0.forwarding": "1" } }]))?;
    let failed = chain(&["apply", &file, "-o", "json"]).await?;
    ensure!(code(&failed)? == 1, "{}{}", failed.stdout, failed.stderr);
    let told: Value = serde_json::from_str(&failed.stdout)?;
    let codes: Vec<&str> =
        told["rollout"]["findings"].as_array().context("findings")?.iter().filter_map(|f| f["code"].as_str()).collect();
    ensure!(codes == ["PL639"; 3], "{codes:?}");
    ensure!(told["putBack"]["written"] == true && told["putBack"]["rollout"]["checked"] == 3, "{told}");
    ensure!(told.to_string().contains("nosuch0"), "the plugin's own words: {told}");
    ensure!(bed.data().await? == bed.before, "byte for byte");
    ensure!(bed.copies().await?.is_empty(), "nothing is kept of it");
    Ok(())
}

async fn refused(bed: &Bed) -> anyhow::Result<()> {
    let generation = bed.generation().await?;
    let absent = bed.file("absent.yaml", &json!([{ "type": "our-own" }]))?;
    let entry = bed.dir.path().join("entry.yaml").display().to_string();
    std::fs::write(
        &entry,
        "kind: ConfigMap\nmetadata: { name: eni-config }\ndata:\n  10-terway.conf: '{\"type\": \"terway\"}'\n",
    )?;
    for (file, finding) in [(&absent, "PL632"), (&entry, "PL638")] {
        let refused = chain(&["apply", file]).await?;
        ensure!(code(&refused)? == 1 && refused.stdout.contains(finding), "{}{}", refused.stdout, refused.stderr);
        ensure!(refused.stdout.contains("apply would refuse this"), "{}", refused.stdout);
    }
    ensure!(bed.generation().await? == generation, "Terway was restarted");
    Ok(())
}

/// The same cluster as a user's own: by a context, its nodes read in Terway's pods.
async fn foreign(bed: &Bed) -> anyhow::Result<()> {
    let names = Cmd::new("sed")
        .args(["-n", "s/^current-context: //p"])
        .args([bed.kubeconfig.display().to_string()])
        .run()
        .await?;
    let context = names.stdout.trim().to_owned();
    let file = bed.portmap()?;
    let run = async |args: &[&str]| -> anyhow::Result<Transcript> {
        let mut all = vec!["chain"];
        all.extend(args);
        all.extend(["--context", &context]);
        Ok(plumbline(&all)?
            .env("KUBECONFIG", bed.kubeconfig.display().to_string())
            .deadline(Duration::from_secs(300))
            .run()
            .await?)
    };
    let generation = bed.generation().await?;
    let shown = run(&["show", "--nodes"]).await?;
    ensure!(
        code(&shown)? == 0 && shown.stdout.matches("as terway-cli must make it").count() == 3,
        "{}{}",
        shown.stdout,
        shown.stderr
    );
    let bare = run(&["apply", &file]).await?;
    ensure!(code(&bare)? == 2 && bare.stderr.contains("--yes"), "{}", bare.stderr);
    ensure!(
        bed.data().await? == bed.before && bed.generation().await? == generation,
        "nothing is touched without a yes"
    );
    let applied = run(&["apply", &file, "--yes"]).await?;
    ensure!(code(&applied)? == 0, "{}{}", applied.stdout, applied.stderr);
    ensure!(code(&run(&["restore"]).await?)? == 2, "restore wants it too");
    let back = run(&["restore", "--yes"]).await?;
    ensure!(code(&back)? == 0, "{}{}", back.stdout, back.stderr);
    ensure!(bed.data().await? == bed.before, "byte for byte");
    let unknown = plumbline(&["chain", "show", "--context", "no-such-context"])?
        .env("KUBECONFIG", bed.kubeconfig.display().to_string())
        .run()
        .await?;
    ensure!(code(&unknown)? == 3 && unknown.stderr.contains("no-such-context"), "{}", unknown.stderr);
    Ok(())
}

async fn interrupted(bed: &Bed) -> anyhow::Result<()> {
    for (step, signal) in [("write", "-TERM"), ("restart", "-INT")] {
        let ended = bed.standing(step).await?.send(signal).await?;
        ensure!(
            code(&ended)? == 130 && ended.stdout.contains("the old chain is back"),
            "{}{}",
            ended.stdout,
            ended.stderr
        );
        ensure!(bed.data().await? == bed.before, "after {step}: byte for byte");
        ensure!(bed.copies().await?.is_empty(), "after {step}: nothing is kept");
    }
    Ok(())
}

/// Kills an apply that stands still after a step.
async fn kill(bed: &Bed, step: &str) -> anyhow::Result<()> {
    let killed = bed.standing(step).await?.send("-KILL").await?;
    ensure!(killed.ending != Ending::Code(0), "it was killed: {killed:?}");
    Ok(())
}

async fn killed(bed: &Bed, step: &str) -> anyhow::Result<()> {
    kill(bed, step).await?;
    ensure!((bed.data().await? == bed.before) == (step == "keep"), "the ConfigMap after {step}");
    ensure!(bed.copies().await?.len() == 1, "the old one is kept");
    let again = chain(&["apply", &bed.portmap()?]).await?;
    ensure!(code(&again)? == 2 && again.stderr.contains("plumbline chain restore"), "{}", again.stderr);
    let back = chain(&["restore"]).await?;
    ensure!(code(&back)? == 0 && back.stdout.contains("3 nodes compared"), "{}{}", back.stdout, back.stderr);
    ensure!(bed.data().await? == bed.before, "byte for byte");
    ensure!(bed.copies().await?.is_empty(), "nothing is kept any more");
    Ok(())
}

/// What `gc` does with the journal of a dead run, for that one effect: `gc` itself is for the whole host.
async fn undone(bed: &Bed) -> anyhow::Result<()> {
    kill(bed, "restart").await?;
    let name = bed.copies().await?.pop().context("a copy")?;
    let run = name.trim_start_matches("eni-config-kept-").to_owned();
    let journal = std::fs::read_to_string(folders::state()?.join("runs").join(&run).join("journal.jsonl"))?;
    ensure!(journal.contains("\"chain\"") && !journal.contains("\"done\""), "an open entry of the run: {journal}");
    let effect = Effect::Chain { cluster: String::new(), kept: Kept::path(&run)? };
    for _ in 0..2 {
        // Twice: what is undone already is no fault.
        let undoers = registry::undoers();
        let work = undoers.iter().find_map(|undoer| undoer.undo(&effect)).context("somebody undoes it")?;
        work.await?;
        ensure!(bed.data().await? == bed.before, "byte for byte");
    }
    Ok(())
}

async fn anothers(bed: &Bed) -> anyhow::Result<()> {
    kill(bed, "write").await?;
    let written = bed.data().await?;
    bed.put("{ \"plugins\": [] }").await?;
    let refused = chain(&["restore"]).await?;
    ensure!(
        code(&refused)? == 3 && refused.stderr.contains("somebody else wrote it"),
        "{}{}",
        refused.stdout,
        refused.stderr
    );
    ensure!(bed.data().await?["10-terway.conflist"] == "{ \"plugins\": [] }", "it is left alone");
    bed.put(&written["10-terway.conflist"]).await
}
