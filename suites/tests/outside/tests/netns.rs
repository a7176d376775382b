//! One test on the netns lane, with a scenario of Plumbline and one of this project.

use plumbline::prelude::*;

#[tokio::test]
async fn chains_work_outside_the_checkout() -> anyhow::Result<()> {
    let bench = Bench::open("netns").await?;
    assert!(!bench.root().join("harness").exists(), "{} is a checkout", bench.root().display());
    for scenario in ["openshift/chain-example-by-template", "scenarios/own.yaml"] {
        bench.judge(scenario).await?.passes()?;
    }
    bench.close().await
}
