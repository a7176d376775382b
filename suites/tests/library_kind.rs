//! The library on the kind lane, as tests of other projects use it: the same tests as on netns, on a real cluster.

use plumbline::prelude::*;
use plumbline_lanes::context::Options;
use rstest::{fixture, rstest};

const SEED: &str = "openshift/chain-example";

/// The lane on a running cluster. Without one it brings a cluster up first.
#[fixture]
async fn bench() -> Bench {
    let options = Options { profile: std::env::var("PLUMBLINE_PROFILE").ok(), ..Options::default() };
    Bench::open_with("kind", options).await.expect("the kind lane opens here")
}

#[rstest]
#[tokio::test]
async fn a_pod_on_a_cluster_can_be_read_and_judged(#[future(awt)] bench: Bench) -> anyhow::Result<()> {
    let looked = bench
        .with(SEED, async |scene| {
            let seen = scene.observe().await?;
            assert_eq!(seen.link("chain-test-pod", "eth1")?.kind.as_deref(), Some("macvlan"));
            let routes = seen.routes("chain-test-pod", "eth2")?;
            let to =
                routes.iter().find(|route| route.to.to_string() == "172.16.0.0/12").expect("the SIP route is there");
            assert_eq!(to.hops[0].via, Some("192.168.200.1".parse()?));
            assert!(scene.entry_commands()[0].contains("kubectl"), "a pod on a cluster is entered by kubectl");
            let judged = seen.judge()?;
            assert_eq!(judged.codes(), [FindingCode::PL601]);
            judged.passes()
        })
        .await;
    bench.close().await?;
    looked
}

/// The test of the test: with one changed value of the plan it fails with one finding.
#[rstest]
#[tokio::test]
async fn a_changed_plan_fails_on_a_cluster(#[future(awt)] bench: Bench) -> anyhow::Result<()> {
    let mut plan = bench.plan(SEED)?;
    let eth1 = plan.expect[0].interfaces.iter_mut().find(|i| i.name == "eth1").expect("eth1 is expected");
    eth1.kind.as_mut().expect("its kind is expected").value = "ipvlan".into();
    let judged = bench.with_plan(&plan, async |scene| scene.observe().await?.judge()).await;
    bench.close().await?;
    judged?.fails_with(&[FindingCode::PL312, FindingCode::PL601])
}
