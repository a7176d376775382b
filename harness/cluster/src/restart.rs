//! Starts stopped nodes again, after a restart of the host or of its engine.
//!
//! At every start kind's node image resolves its own name and uses the first address as the node's. It writes this address
//! into the manifests of the control plane and into the kubelet's flags (`enable_network_magic` in kind's
//! `images/base/files/usr/local/bin/entrypoint`).
//! The engine writes one address per network into the node's `/etc/hosts`, in no order. So a node on an uplink or on a
//! provider's second network may start with an address that other nodes do not reach. Then the API server answers, but the
//! controllers do not reach it. Therefore a node is started only on the nodes' own network, and later steps connect it to the
//! other networks again. A node with a wrong address is stopped and started again.

use crate::node::{NETWORK, Node};
use crate::record::Home;
use crate::step::Notes;
use futures::future::try_join_all;
use k8s_openapi::jiff::Timestamp;
use plumbline_kube::objects::error_message;
use plumbline_kube::rollout;
use plumbline_testbed::engine::{Container, Engine};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline, Look};
use std::fmt;
use std::time::Duration;

const STAGE: &str = "cluster";
/// The file in which kind's node image stores the address that it uses as the node's own.
const TAKEN: &str = "/kind/old-ipv4";
/// The limit from the start of a node until it has its address and its runtime answers. Usually this takes seconds.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The limit for the API server's answer after the start of its node.
const API: Duration = Duration::from_secs(120);
/// The grace period for stopping a node.
const GRACE_S: u16 = 10;
/// The pause between two checks of a state that no watch reports.
const STEP: Duration = Duration::from_millis(250);
/// The limit for a short command.
const SHORT: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// A node that uses another network's address as its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongNodeAddress {
    node: String,
    taken: String,
    own: String,
}

impl fmt::Display for WrongNodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, taken, own } = self;
        write!(f, "node {node} uses {taken} as its own address, expected {own}")
    }
}

/// The same as [`find_wrong_addresses`], through the agents of connected nodes: this check starts no process on them.
///
/// # Errors
/// `TestbedError` when an agent does not answer.
pub(crate) async fn find_wrong_addresses_with_agents(
    nodes: &[Node],
    containers: &[Container],
) -> Result<Vec<WrongNodeAddress>, TestbedError> {
    let looks = containers.iter().map(async |container| {
        let Some(node) = nodes.iter().find(|node| node.name == container.name) else { return Ok(None) };
        let taken = node.read(TAKEN).await?.unwrap_or_default();
        Ok(compare_address(container, taken.trim()))
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// The nodes that use another network's address as their own.
///
/// # Errors
/// `TestbedError` when the engine does not answer.
async fn find_wrong_addresses(
    engine: &Engine,
    containers: &[Container],
) -> Result<Vec<WrongNodeAddress>, TestbedError> {
    let looks = containers.iter().filter(|container| container.running).map(async |container| {
        // A node image without this file is not kind's, and does not have this problem.
        let taken = ["sh", "-c", "cat \"$1\" 2>/dev/null || true", "sh", TAKEN];
        let read = engine.exec_ok(STAGE, &container.name, &taken, None, SHORT).await?;
        Ok(compare_address(container, read.stdout.trim()))
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

fn compare_address(container: &Container, taken: &str) -> Option<WrongNodeAddress> {
    let own = container.addresses.get(NETWORK).filter(|own| !taken.is_empty() && *own != taken)?;
    Some(WrongNodeAddress { node: container.name.clone(), taken: taken.to_owned(), own: own.clone() })
}

/// Starts the stopped nodes, restarts nodes with a wrong address, and waits for the API server.
///
/// # Errors
/// `TestbedError` when a node does not start or keeps a wrong address, or the server does not answer within two minutes.
pub(crate) async fn start_nodes(
    engine: &Engine,
    home: &Home,
    containers: &[Container],
    notes: &Notes,
) -> Result<(), TestbedError> {
    let wrong = find_wrong_addresses(engine, containers).await?;
    for address in &wrong {
        notes.note(format!("{address}; stopping it"));
    }
    let must_start =
        |container: &&Container| !container.running || wrong.iter().any(|address| address.node == container.name);
    let to_start: Vec<&Container> = containers.iter().filter(must_start).collect();
    let stop = to_start.iter().filter(|container| container.running);
    try_join_all(stop.map(|container| engine.stop(&container.name, GRACE_S))).await?;
    // Start times of containers are whole seconds, and no container of a node starts within a second after the node.
    let since = Timestamp::now() - SECOND;
    for container in &to_start {
        for network in container.networks.iter().filter(|network| *network != NETWORK) {
            engine.disconnect_network(network, &container.name).await?;
        }
        notes.note(format!("starting node {} again", container.name));
        engine.start(&container.name).await?;
    }
    let look = async || {
        // A node that is just starting may refuse the command.
        Ok(check_started(engine, &to_start).await.map_or_else(|error| Look::NotYet(error.cause()), Look::There))
    };
    let started =
        wait::until(STAGE, "nodes to have their own addresses and a runtime", Deadline::after(START_LIMIT), STEP, look)
            .await?;
    notes.note("waiting for the API server");
    let client = home.client().await?;
    let look = async || {
        Ok(match client.apiserver_version().await {
            Ok(_) => Look::There(()),
            Err(e) => Look::NotYet(error_message(&e)),
        })
    };
    let deadline = Deadline::after(API);
    wait::until(STAGE, "the API server to answer", deadline, STEP, look).await?;
    // Until the kubelet reports the address, the Node object has the old one, which later steps would use.
    let addresses = started.iter().filter_map(|container| Some((&container.name, container.addresses.get(NETWORK)?)));
    try_join_all(addresses.map(|(node, own)| {
        rollout::wait_for_node(&client, node, STAGE, deadline, move |node| rollout::address_lacks(node, own))
    }))
    .await?;
    // The same holds for the status of its pods.
    let pods = started.iter().map(async |container| {
        let look = async || {
            Ok(match rollout::find_stale_pod(&client, &container.name, since, STAGE).await? {
                None => Look::There(()),
                Some(pod) => Look::NotYet(format!("the status of pod {pod} is older than the restart")),
            })
        };
        let what = format!("node {} to report the status of its pods", container.name);
        wait::until(STAGE, &what, deadline, STEP, look).await
    });
    try_join_all(pods).await.map(drop)
}

/// The current state of the containers, if they have their own addresses and their runtimes answer.
async fn check_started(engine: &Engine, started: &[&Container]) -> Result<Vec<Container>, TestbedError> {
    let mut now = Vec::new();
    for container in started {
        now.extend(engine.container(&container.name).await?);
    }
    if let Some(wrong) = find_wrong_addresses(engine, &now).await?.first() {
        return Err(TestbedError::new(STAGE, wrong.to_string()));
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
    fn only_an_address_of_another_network_is_wrong() {
        let addresses = [(NETWORK, "172.18.0.5"), ("c.eni", "10.77.0.1")];
        let addresses = addresses.map(|(network, address)| (network.to_owned(), address.to_owned())).into();
        let node = Container { name: "n".to_owned(), running: true, addresses, ..Container::default() };
        assert_eq!(compare_address(&node, "172.18.0.5"), None);
        assert_eq!(compare_address(&node, ""), None, "kind's file is missing");
        let wrong = compare_address(&node, "10.77.0.1").unwrap();
        assert_eq!(wrong.to_string(), "node n uses 10.77.0.1 as its own address, expected 172.18.0.5");
        assert_eq!(compare_address(&Container::default(), "10.77.0.1"), None, "not on the nodes' network");
    }
}
