//! The library on the netns lane, as tests of other projects use it.

use plumbline::prelude::*;
use rstest::{fixture, rstest};

const SEED: &str = "openshift/chain-example";

/// The lane, opened once for each test process.
#[fixture]
async fn bench() -> Bench {
    Bench::open("netns").await.expect("the netns lane opens here")
}

#[rstest]
#[tokio::test]
async fn the_seed_passes_with_its_two_warnings(#[future(awt)] bench: Bench) -> anyhow::Result<()> {
    let judged = bench.judge(SEED).await?;
    assert_eq!(judged.codes(), [FindingCode::PL601]);
    judged.passes()?;
    bench.close().await
}

#[rstest]
#[tokio::test]
async fn addresses_and_routes_can_be_read(#[future(awt)] bench: Bench) -> anyhow::Result<()> {
    bench
        .with(SEED, async |scene| {
            let seen = scene.observe().await?;
            let link = seen.link("chain-test-pod", "eth2")?;
            assert_eq!(link.kind.as_deref(), Some("macvlan"));
            let routes = seen.routes("chain-test-pod", "eth2")?;
            let to =
                routes.iter().find(|route| route.to.to_string() == "172.16.0.0/12").expect("the SIP route is there");
            assert_eq!(to.hops[0].via, Some("192.168.200.1".parse()?));
            seen.judge()?.passes()
        })
        .await?;
    bench.close().await
}

#[rstest]
#[tokio::test]
async fn a_changed_plan_fails_for_that_change(#[future(awt)] bench: Bench) -> anyhow::Result<()> {
    let mut plan = bench.plan(SEED)?;
    let eth1 = plan.expect[0].interfaces.iter_mut().find(|i| i.name == "eth1").expect("eth1 is expected");
    let kind = eth1.kind.as_mut().expect("its kind is expected");
    kind.value = "ipvlan".into();
    let judged = bench.with_plan(&plan, async |scene| scene.observe().await?.judge()).await?;
    judged.fails_with(&[FindingCode::PL312, FindingCode::PL601])?;
    bench.close().await
}

/// The test of the test: neither helper accepts another verdict or another code.
#[rstest]
#[tokio::test]
async fn passes_and_fails_with_refuse_another_verdict(#[future(awt)] bench: Bench) -> anyhow::Result<()> {
    let good = bench.judge(SEED).await?;
    assert!(good.clone().fails_with(&[FindingCode::PL601]).is_err());
    let negative = bench.root().join("suites/negative/openshift/chain-example.yaml[routes-wrong]");
    let bad = bench.judge(&negative.display().to_string()).await?;
    assert!(bad.clone().passes().is_err());
    assert!(bad.clone().fails_with(&[FindingCode::PL901]).is_err());
    bad.fails_with(&[FindingCode::PL321, FindingCode::PL330, FindingCode::PL601])?;
    good.passes()?;
    bench.close().await
}

/// Two observations of one scenario are two readings. They agree while nothing changes.
#[rstest]
#[tokio::test]
async fn each_observation_reads_the_kernel_again(#[future(awt)] bench: Bench) -> anyhow::Result<()> {
    bench
        .with(SEED, async |scene| {
            let first = scene.observe().await?;
            let second = scene.observe().await?;
            let routes = |seen: &plumbline::bench::Observed| -> anyhow::Result<Vec<String>> {
                Ok(seen.routes("chain-test-pod", "eth1")?.iter().map(|route| route.to.to_string()).collect())
            };
            assert_eq!(routes(&first)?, routes(&second)?);
            first.judge()?.passes()?;
            second.judge()?.passes()
        })
        .await?;
    bench.close().await
}
