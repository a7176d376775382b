//! A change that arrives, and such as don't.

use crate::bed::{Bed, chain, code};
use anyhow::{Context as _, ensure};
use plumbline_suites::command::plumbline;
use serde_json::{Value, json};

pub async fn arrives(bed: &Bed) -> anyhow::Result<()> {
    let file = bed.portmap()?;
    let planned: Value = serde_json::from_str(&chain(&["plan", &file, "-o", "json"]).await?.stdout)?;
    ensure!(
        planned["unchanged"] == false && planned["nodes"].as_array().is_some_and(|nodes| nodes.len() == 3),
        "{planned}"
    );
    ensure!(bed.data().await? == bed.before, "plan has changed something");
    let applied = chain(&["apply", &file, "--access", "node", "--datapath-v2", "no", "-o", "json"]).await?;
    ensure!(code(&applied)? == 0, "{}{}", applied.stdout, applied.stderr);
    let told: Value = serde_json::from_str(&applied.stdout)?;
    ensure!(told["rollout"]["checked"] == 6, "three nodes compared and three canaries: {told}");
    ensure!(told["rollout"]["untold"] == json!([]), "{told}");
    ensure!(told["standIns"].to_string().contains("stand-in, not upstream's"), "{told}");
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
pub async fn failing(bed: &Bed) -> anyhow::Result<()> {
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

pub async fn refused(bed: &Bed) -> anyhow::Result<()> {
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
    // Written past Plumbline, and Terway not restarted: what the nodes have is not what they must have.
    bed.put(Some("{ \"plugins\": [{ \"type\": \"terway\" }] }")).await?;
    let written = bed.data().await?;
    let (planned, applied) = (chain(&["plan", &bed.portmap()?]).await?, chain(&["apply", &bed.portmap()?]).await?);
    let now = bed.data().await?;
    bed.put(Some("{ ,")).await?;
    let unreadable = chain(&["apply", &bed.portmap()?]).await?;
    bed.put(None).await?;
    ensure!(code(&unreadable)? == 2 && unreadable.stderr.contains("don't restart Terway"), "{}", unreadable.stderr);
    ensure!(code(&planned)? == 1 && planned.stdout.contains("apply would refuse this: "), "{}", planned.stdout);
    ensure!(code(&applied)? == 2 && applied.stderr.contains("kubectl rollout restart"), "{}", applied.stderr);
    ensure!(now == written, "what somebody wrote is left alone");
    ensure!(bed.generation().await? == generation, "Terway was restarted");
    Ok(())
}

/// The same cluster as a user's own: by a context, its nodes read in Terway's pods.
pub async fn foreign(bed: &Bed) -> anyhow::Result<()> {
    let file = bed.portmap()?;
    let run = async |args: &[&str]| bed.by_context(&bed.kubeconfig, args).await;
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
    ensure!(applied.stdout.contains("not told: ") && !applied.stdout.contains("stand-in"), "{}", applied.stdout);
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

pub async fn interrupted(bed: &Bed) -> anyhow::Result<()> {
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

/// The nodes were compared by then, and the canaries come up; at its next start Terway would read the other chain.
pub async fn meanwhile(bed: &Bed) -> anyhow::Result<()> {
    let applying = bed.begun("never", ": prove ...").await?;
    let written = bed.data().await?;
    bed.put(Some("{ \"plugins\": [] }")).await?;
    let ended = applying.run.await??;
    let (now, said) = (bed.data().await?, format!("{}{}", ended.stdout, ended.stderr));
    bed.put(written.get("10-terway.conflist").map(String::as_str)).await?;
    ensure!(code(&ended)? == 3 && said.contains("somebody has written another chain"), "{said}");
    ensure!(now["10-terway.conflist"] == "{ \"plugins\": [] }", "what somebody else wrote is left alone");
    Ok(())
}
