//! Nodes that were stopped, started again: after a reboot of the host, or of its engine.
//!
//! kind's node image asks at every start for the address of its own name and takes the first answer for the node's, in the
//! manifests of the control plane and in the kubelet's flags (`enable_network_magic` in kind's
//! `images/base/files/usr/local/bin/entrypoint`).
//! The engine writes an address per network into the node's `/etc/hosts`, in no order. So a node that is on an uplink or on
//! a provider's second network may come up with an address that nothing else reaches it by: the API server answers, and the
//! controllers do not find it. A node is therefore started on the nodes' own network alone; the steps after this one connect
//! it to the others again. One that was started by somebody else, and took the wrong address, is stopped and started again.

use crate::node::{NETWORK, Node};
use crate::record::Home;
use crate::step::Notes;
use futures::future::try_join_all;
use k8s_openapi::jiff::Timestamp;
use plumbline_kube::objects::words;
use plumbline_kube::rollout;
use plumbline_testbed::engine::{Container, Engine};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline, Look};
use std::fmt;
use std::time::Duration;

const STAGE: &str = "cluster";
/// Where kind's node image keeps the address that it took for the node's own.
const TAKEN: &str = "/kind/old-ipv4";
/// How long a node may take from its start until it knows its address and its runtime answers: a matter of seconds.
const TAKES: Duration = Duration::from_secs(60);
/// How long the API server may take to answer after its node was started.
const API: Duration = Duration::from_secs(120);
/// How long a node may take to stop by itself.
const GRACE_S: u16 = 10;
/// Between two looks at what no watch tells.
const STEP: Duration = Duration::from_millis(250);
/// Looks at one file.
const SHORT: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// A node that runs with another network's address for its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongNodeAddress {
    node: String,
    taken: String,
    own: String,
}

impl fmt::Display for WrongNodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, taken, own } = self;
        write!(f, "node {node} was started with {taken} for its own address, which is {own}")
    }
}

/// The same as [`astray`], by the agents of nodes that are open: a look at a warm cluster starts nothing on them.
///
/// # Errors
/// `TestbedError` when an agent does not answer.
pub(crate) async fn astray_by(nodes: &[Node], containers: &[Container]) -> Result<Vec<WrongNodeAddress>, TestbedError> {
    let looks = containers.iter().map(async |container| {
        let Some(node) = nodes.iter().find(|node| node.name == container.name) else { return Ok(None) };
        let taken = node.read(TAKEN).await?.unwrap_or_default();
        Ok(strayed(container, taken.trim()))
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// The nodes that run with another network's address for their own.
///
/// # Errors
/// `TestbedError` when the engine does not answer.
async fn astray(engine: &Engine, containers: &[Container]) -> Result<Vec<WrongNodeAddress>, TestbedError> {
    let looks = containers.iter().filter(|container| container.running).map(async |container| {
        // A node image that keeps no such file is another one than kind's, and does otherwise.
        let taken = ["sh", "-c", "cat \"$1\" 2>/dev/null || true", "sh", TAKEN];
        let said = engine.exec_ok(STAGE, &container.name, &taken, None, SHORT).await?;
        Ok(strayed(container, said.stdout.trim()))
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

fn strayed(container: &Container, taken: &str) -> Option<WrongNodeAddress> {
    let own = container.addresses.get(NETWORK).filter(|own| !taken.is_empty() && *own != taken)?;
    Some(WrongNodeAddress { node: container.name.clone(), taken: taken.to_owned(), own: own.clone() })
}

/// Starts the nodes that are stopped, and those that strayed, and waits for the API server.
///
/// # Errors
/// `TestbedError` when one does not start or stays astray, or the server does not answer within two minutes.
pub(crate) async fn start(
    engine: &Engine,
    home: &Home,
    containers: &[Container],
    notes: &Notes,
) -> Result<(), TestbedError> {
    let strayed = astray(engine, containers).await?;
    for one in &strayed {
        notes.note(format!("{one}; it is stopped"));
    }
    let wrong = |container: &&Container| !container.running || strayed.iter().any(|one| one.node == container.name);
    let wrong: Vec<&Container> = containers.iter().filter(wrong).collect();
    let stop = wrong.iter().filter(|container| container.running);
    try_join_all(stop.map(|container| engine.stop(&container.name, GRACE_S))).await?;
    // Times of containers are whole seconds; none of a node is begun within one of its start.
    let since = Timestamp::now() - SECOND;
    for container in &wrong {
        for network in container.networks.iter().filter(|network| *network != NETWORK) {
            engine.disconnect_network(network, &container.name).await?;
        }
        notes.note(format!("starting node {} again", container.name));
        engine.start(&container.name).await?;
    }
    let look = async || {
        // One that is just starting may refuse a look.
        Ok(have_come(engine, &wrong).await.map_or_else(|error| Look::NotYet(error.cause()), Look::There))
    };
    let come =
        wait::until(STAGE, "nodes to have their own addresses and a runtime", Deadline::after(TAKES), STEP, look)
            .await?;
    notes.note("waiting for the API server");
    let client = home.client().await?;
    let look = async || {
        Ok(match client.apiserver_version().await {
            Ok(_) => Look::There(()),
            Err(e) => Look::NotYet(words(&e)),
        })
    };
    let deadline = Deadline::after(API);
    wait::until(STAGE, "the API server to answer", deadline, STEP, look).await?;
    // Until the kubelet reports it, the node's object has the address from before, which later steps would use.
    let addresses = come.iter().filter_map(|container| Some((&container.name, container.addresses.get(NETWORK)?)));
    try_join_all(addresses.map(|(node, own)| rollout::wait_for_address(&client, node, own, STAGE, deadline))).await?;
    // The same holds for the status of its pods.
    let pods = come.iter().map(async |container| {
        let look = async || {
            Ok(match rollout::find_stale_pod(&client, &container.name, since, STAGE).await? {
                None => Look::There(()),
                Some(pod) => Look::NotYet(format!("the status of pod {pod} is from before")),
            })
        };
        let what = format!("node {} to report the status of its pods", container.name);
        wait::until(STAGE, &what, deadline, STEP, look).await
    });
    try_join_all(pods).await.map(drop)
}

/// The containers as they are now: with their own addresses, and a runtime that answers.
async fn have_come(engine: &Engine, started: &[&Container]) -> Result<Vec<Container>, TestbedError> {
    let mut now = Vec::new();
    for container in started {
        now.extend(engine.container(&container.name).await?);
    }
    if let Some(one) = astray(engine, &now).await?.first() {
        return Err(TestbedError::new(STAGE, one.to_string()));
    }
    for container in started {
        engine.exec_ok(STAGE, &container.name, &["ctr", "version"], None, SHORT).await?;
    }
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_strays_by_another_networks_address_alone() {
        let addresses = [(NETWORK, "172.18.0.5"), ("c.eni", "10.77.0.1")];
        let addresses = addresses.map(|(network, address)| (network.to_owned(), address.to_owned())).into();
        let node = Container { name: "n".to_owned(), running: true, addresses, ..Container::default() };
        assert_eq!(strayed(&node, "172.18.0.5"), None);
        assert_eq!(strayed(&node, ""), None, "no file of kind's");
        let astray = strayed(&node, "10.77.0.1").unwrap();
        assert_eq!(astray.to_string(), "node n was started with 10.77.0.1 for its own address, which is 172.18.0.5");
        assert_eq!(strayed(&Container::default(), "10.77.0.1"), None, "not on the nodes' network");
    }
}
