//! Changes that succeed, and changes that don't.

use crate::testbed::{ChainTestbed, chain, code};
use anyhow::{Context as _, ensure};
use plumbline_suites::command::plumbline;
use serde_json::{Value, json};

pub async fn check_arrival(testbed: &ChainTestbed) -> anyhow::Result<()> {
    let file = testbed.write_portmap_file()?;
    let planned: Value = serde_json::from_str(&chain(&["plan", &file, "-o", "json"]).await?.stdout)?;
    ensure!(
        planned["unchanged"] == false && planned["nodes"].as_array().is_some_and(|nodes| nodes.len() == 3),
        "{planned}"
    );
    ensure!(testbed.read_config_map().await? == testbed.before, "plan has changed something");
    let applied = chain(&["apply", &file, "--access", "node", "--datapath-v2", "no", "-o", "json"]).await?;
    ensure!(code(&applied)? == 0, "{}{}", applied.stdout, applied.stderr);
    let result: Value = serde_json::from_str(&applied.stdout)?;
    ensure!(result["rollout"]["checked"] == 6, "three nodes compared and three canaries: {result}");
    ensure!(result["rollout"]["untold"] == json!([]), "{result}");
    ensure!(result["standIns"].to_string().contains("stand-in, not upstream's"), "{result}");
    let millis = result["millis"].as_u64().context("millis")?;
    ensure!(millis < 60_000, "took {millis} ms");
    let now = testbed.read_config_map().await?;
    ensure!(now.contains_key("10-terway.conflist") && now.len() == testbed.before.len() + 1, "one key more: {now:?}");
    ensure!(testbed.list_copies().await?.len() == 1, "the old one is kept");
    let again = chain(&["apply", &file]).await?;
    ensure!(code(&again)? == 0 && again.stdout.contains("nothing would be written"), "{}", again.stdout);
    let shown = chain(&["show"]).await?;
    ensure!(code(&shown)? == 0 && shown.stdout.matches("as terway-cli must make it").count() == 3, "{}", shown.stdout);
    ensure!(shown.stdout.contains("pods made before the chain came into force"), "{}", shown.stdout);
    let back = chain(&["restore"]).await?;
    ensure!(code(&back)? == 0 && back.stdout.contains("3 nodes compared"), "{}{}", back.stdout, back.stderr);
    ensure!(testbed.read_config_map().await? == testbed.before, "byte for byte");
    if testbed.others.is_empty() {
        ensure!(code(&chain(&["restore"]).await?)? == 4, "nothing is kept any more");
    }
    Ok(())
}

/// tuning refuses a missing sysctl, so no pod starts. Neither the lint nor terway-cli can check that.
pub async fn check_failing_chain(testbed: &ChainTestbed) -> anyhow::Result<()> {
    let file = testbed.write_file(
        "sysctl.yaml",
        &json!([{ "type": "tuning", "sysctl": { "net.ipv4.conf.nosuch0.forwarding": "1" } }]),
    )?;
    let failed = chain(&["apply", &file, "-o", "json"]).await?;
    ensure!(code(&failed)? == 1, "{}{}", failed.stdout, failed.stderr);
    let result: Value = serde_json::from_str(&failed.stdout)?;
    let codes: Vec<&str> = result["rollout"]["findings"]
        .as_array()
        .context("findings")?
        .iter()
        .filter_map(|f| f["code"].as_str())
        .collect();
    ensure!(codes == ["PL639"; 3], "{codes:?}");
    ensure!(result["putBack"]["written"] == true && result["putBack"]["rollout"]["checked"] == 3, "{result}");
    ensure!(result.to_string().contains("nosuch0"), "the plugin's own words: {result}");
    ensure!(testbed.read_config_map().await? == testbed.before, "byte for byte");
    ensure!(testbed.list_copies().await?.is_empty(), "nothing is kept of it");
    Ok(())
}

pub async fn check_refusals(testbed: &ChainTestbed) -> anyhow::Result<()> {
    let generation = testbed.read_generation().await?;
    let absent = testbed.write_file("absent.yaml", &json!([{ "type": "our-own" }]))?;
    let entry = testbed.dir.path().join("entry.yaml").display().to_string();
    std::fs::write(
        &entry,
        "kind: ConfigMap\nmetadata: { name: eni-config }\ndata:\n  10-terway.conf: '{\"type\": \"terway\"}'\n",
    )?;
    for (file, finding) in [(&absent, "PL632"), (&entry, "PL638")] {
        let refused = chain(&["apply", file]).await?;
        ensure!(code(&refused)? == 1 && refused.stdout.contains(finding), "{}{}", refused.stdout, refused.stderr);
        ensure!(refused.stdout.contains("apply would refuse this"), "{}", refused.stdout);
    }
    // The chain is written without Plumbline, and Terway does not restart: the nodes still have the old chain.
    testbed.write_chain(Some("{ \"plugins\": [{ \"type\": \"terway\" }] }")).await?;
    let written = testbed.read_config_map().await?;
    let (planned, applied) = (
        chain(&["plan", &testbed.write_portmap_file()?]).await?,
        chain(&["apply", &testbed.write_portmap_file()?]).await?,
    );
    let now = testbed.read_config_map().await?;
    testbed.write_chain(Some("{ ,")).await?;
    let unreadable = chain(&["apply", &testbed.write_portmap_file()?]).await?;
    testbed.write_chain(None).await?;
    ensure!(code(&unreadable)? == 2 && unreadable.stderr.contains("don't restart Terway"), "{}", unreadable.stderr);
    ensure!(code(&planned)? == 1 && planned.stdout.contains("apply would refuse this: "), "{}", planned.stdout);
    ensure!(code(&applied)? == 2 && applied.stderr.contains("kubectl rollout restart"), "{}", applied.stderr);
    ensure!(now == written, "a chain that others wrote is kept");
    ensure!(testbed.read_generation().await? == generation, "Terway was restarted");
    Ok(())
}

/// The same cluster as a user's own: by a context, with its nodes read in Terway's pods.
pub async fn check_context(testbed: &ChainTestbed) -> anyhow::Result<()> {
    let file = testbed.write_portmap_file()?;
    let run = async |args: &[&str]| testbed.run_with_context(&testbed.kubeconfig, args).await;
    let generation = testbed.read_generation().await?;
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
        testbed.read_config_map().await? == testbed.before && testbed.read_generation().await? == generation,
        "nothing is touched without a yes"
    );
    let applied = run(&["apply", &file, "--yes"]).await?;
    ensure!(code(&applied)? == 0, "{}{}", applied.stdout, applied.stderr);
    ensure!(applied.stdout.contains("unknown: ") && !applied.stdout.contains("stand-in"), "{}", applied.stdout);
    ensure!(code(&run(&["restore"]).await?)? == 2, "restore wants it too");
    let back = run(&["restore", "--yes"]).await?;
    ensure!(code(&back)? == 0, "{}{}", back.stdout, back.stderr);
    ensure!(testbed.read_config_map().await? == testbed.before, "byte for byte");
    let unknown = plumbline(&["chain", "show", "--context", "no-such-context"])?
        .env("KUBECONFIG", testbed.kubeconfig.display().to_string())
        .run()
        .await?;
    ensure!(code(&unknown)? == 3 && unknown.stderr.contains("no-such-context"), "{}", unknown.stderr);
    Ok(())
}

pub async fn check_interruption(testbed: &ChainTestbed) -> anyhow::Result<()> {
    for (step, signal) in [("write", "-TERM"), ("restart", "-INT")] {
        let ended = testbed.start_and_stop_after(step).await?.send(signal).await?;
        ensure!(
            code(&ended)? == 130 && ended.stdout.contains("the old chain is back"),
            "{}{}",
            ended.stdout,
            ended.stderr
        );
        ensure!(testbed.read_config_map().await? == testbed.before, "after {step}: byte for byte");
        ensure!(testbed.list_copies().await?.is_empty(), "after {step}: nothing is kept");
    }
    Ok(())
}

/// The nodes are compared already, and the canary pods start. At its next start Terway would read the other chain.
pub async fn check_change_by_others(testbed: &ChainTestbed) -> anyhow::Result<()> {
    let applying = testbed.start_until(": prove ...").await?;
    let written = testbed.read_config_map().await?;
    testbed.write_chain(Some("{ \"plugins\": [] }")).await?;
    let ended = applying.run.await??;
    let (now, output) = (testbed.read_config_map().await?, format!("{}{}", ended.stdout, ended.stderr));
    testbed.write_chain(written.get("10-terway.conflist").map(String::as_str)).await?;
    ensure!(code(&ended)? == 3 && output.contains("another client wrote another chain"), "{output}");
    ensure!(now["10-terway.conflist"] == "{ \"plugins\": [] }", "a chain that others wrote is kept");
    Ok(())
}
