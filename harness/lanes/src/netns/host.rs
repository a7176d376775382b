//! Checks of this host for the lane.

use crate::context::Context;
use crate::host::HostCheck;
use plumbline_core::protocol::{HostProbe, Probed};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::exec::Cmd;

const SCOPE: &str = "netns";

/// Checks whether a private node can be made with root and without. The agent tries both (`probe-host`). One is enough.
pub async fn check_host(cx: &Context) -> Vec<HostCheck> {
    let probe = match probe_host(cx).await {
        Ok(probe) => probe,
        Err(error) => return vec![HostCheck::failed(SCOPE, "private node", &error)],
    };
    let any = probe.private_nodes.values().any(|mode| mode.there);
    let check = |(name, mode): (&String, &Probed)| {
        let check = HostCheck::new(SCOPE, &format!("private node, {name}"), mode.there, &mode.seen, "one of them", "");
        if any { check.optional() } else { check }
    };
    probe.private_nodes.iter().map(check).collect()
}

/// Runs `probe-host`. Its exit code is 0 if a private node can be made. Its output names the ways that work.
async fn probe_host(cx: &Context) -> Result<HostProbe, TestbedError> {
    let agent = cx.images.agent().await?;
    let done = Cmd::new(agent).arg("probe-host").run().await.map_err(|error| error.testbed_error("probe the host"))?;
    serde_json::from_str::<HostProbe>(&done.stdout).at_stage("read the output of the agent's probe-host")
}
