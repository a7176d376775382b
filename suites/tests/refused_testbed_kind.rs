//! A testbed that the kind lane refuses: a cluster of the same name, made with another state folder.

use plumbline_cluster::node::KIND_LABEL;
use plumbline_suites::command::plumbline;
use plumbline_suites::own_cluster::profile_in_use;
use plumbline_testbed::engine::{Container, Engine};
use plumbline_testbed::exec::{Cmd, ProcessEnd};
use std::path::Path;
use std::time::Duration;

fn command(args: &[&str], state: &Path) -> anyhow::Result<Cmd> {
    let command = plumbline(args)?.deadline(Duration::from_secs(600));
    Ok(command.env("PLUMBLINE_STATE", state.display().to_string()))
}

/// The containers of a profile's clusters and their first processes. Another first process means a restart.
async fn containers(profile: &str) -> anyhow::Result<Vec<(String, String, u32)>> {
    let all = Engine::connect().await?.containers(&[KIND_LABEL.to_owned()]).await?;
    let ours = format!("plumbline-{profile}-");
    let of = |c: Container| (c.name, c.id, c.pid);
    Ok(all.into_iter().filter(|c| c.name.starts_with(&ours)).map(of).collect())
}

#[tokio::test]
async fn a_foreign_cluster_of_the_same_name_is_refused_and_not_changed() -> anyhow::Result<()> {
    let profile = profile_in_use()?;
    let before = containers(&profile).await?;
    anyhow::ensure!(!before.is_empty(), "the cluster of profile {profile} is up before this test");
    let state = tempfile::tempdir()?;

    let up = command(&["up", "--yes", "--profile", &profile], state.path())?.run().await?;
    assert_eq!(up.ending, ProcessEnd::Code(3), "{}", up.stderr);
    assert!(up.stderr.contains("already, and Plumbline did not create it"), "{}", up.stderr);
    assert!(up.stderr.contains("fix: if you do not need it, delete it: kind delete cluster"), "{}", up.stderr);
    let clusters = std::fs::read_dir(state.path().join("clusters")).into_iter().flatten().count();
    assert_eq!(clusters, 0, "a cluster that was refused is not remembered");

    // `gc` and `down` with this state folder must not change it either.
    for args in [&["gc"][..], &["down", "--profile", &profile]] {
        let done = command(args, state.path())?.run().await?;
        assert!(done.ok(), "{args:?}: {}", done.stderr);
    }
    assert_eq!(containers(&profile).await?, before, "the same containers run as before");
    Ok(())
}
