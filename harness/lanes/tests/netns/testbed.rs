//! Shared by the tests: a context, plans, and plugins that are shell scripts.

use plumbline_core::observe::{Observation, PodObservation};
use plumbline_core::plan::Plan;
use plumbline_core::scenario::{LoadError, load_scenario};
use plumbline_lanes::context::{Context, Options};
use plumbline_lanes::lane::{Lane, OpenLane};
use plumbline_lanes::netns::NetnsLane;
use plumbline_testbed::cache::Cache;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::images::Images;
use plumbline_testbed::journal::Run;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout's root")
}

/// A context with these options.
pub fn context(options: Options) -> Context {
    let root = root();
    Context {
        options: Arc::new(options),
        images: Arc::new(Images::open(&root, Cache::open().expect("a cache")).expect("images")),
        run: Arc::new(Run::begin("test").expect("a journal")),
        events: Arc::new(|_| {}),
        cancel: tokio_util::sync::CancellationToken::new(),
        root,
    }
}

/// Opens the lane.
pub async fn open(cx: &Context) -> Box<dyn OpenLane> {
    NetnsLane.open(cx).await.expect("the lane opens")
}

/// Stages, observes once, closes, and asserts that nothing is left behind.
pub async fn observe_once(lane: &dyn OpenLane, cx: &Context, plan: &Plan) -> Result<Observation, TestbedError> {
    let mut staged = lane.stage(cx, plan).await?;
    let seen = staged.observe(cx).await;
    let left = staged.close().await.lines();
    assert_eq!(left, Vec::<String>::new(), "nothing is left behind");
    seen
}

/// Reads a scenario of the checkout.
pub fn scenario(path: &str) -> Plan {
    let root = root();
    let read = |path: &str| std::fs::read(root.join(path)).map_err(|_| LoadError::NotFound);
    load_scenario(path, &read).expect("a valid scenario")
}

/// The seed's plan with other networks: name and configuration of each, attached in this order as eth1, eth2 ...
pub fn plan(networks: &[(&str, Value)]) -> Plan {
    let mut plan = scenario("suites/scenarios/openshift/chain-example.yaml");
    let (network, attachment) = (plan.networks[0].clone(), plan.pods[0].attachments[0].clone());
    plan.networks.clear();
    plan.pods[0].attachments.clear();
    for (number, (name, config)) in networks.iter().enumerate() {
        let (mut network, mut attachment) = (network.clone(), attachment.clone());
        network.name = (*name).to_owned();
        network.config = Some(config.to_string());
        network.chain = None;
        attachment.network = (*name).to_owned();
        attachment.interface = format!("eth{}", number + 1);
        plan.networks.push(network);
        plan.pods[0].attachments.push(attachment);
    }
    plan
}

/// The configuration of a chain of these plugins.
pub fn chain(name: &str, plugins: &[Value]) -> Value {
    json!({"cniVersion": "1.0.0", "name": name, "plugins": plugins})
}

/// A macvlan on br-ex with a static address.
pub fn macvlan(address: &str) -> Value {
    let ipam = json!({"type": "static", "addresses": [{"address": address}]});
    json!({"type": "macvlan", "master": "br-ex", "mode": "bridge", "ipam": ipam})
}

/// The only pod.
pub fn pod(observation: &Observation) -> &PodObservation {
    &observation.pods[0]
}

/// A folder of plugins that are shell scripts.
pub struct Scripts(TempDir);

impl Scripts {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Adds a script. Its body runs for every command except VERSION.
    pub fn with(self, name: &str, body: &str) -> Self {
        let text = format!("#!/bin/sh\n[ \"$CNI_COMMAND\" = VERSION ] && exit 0\n{body}\n");
        self.with_file(name, text.as_bytes(), 0o755)
    }

    /// Adds a file with these bytes.
    pub fn with_file(self, name: &str, bytes: &[u8], mode: u32) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("permissions");
        self
    }

    /// Options that search this folder before the folder of Plumbline's plugins.
    pub fn options(&self) -> Options {
        Options { cni_path: vec![self.0.path().to_owned()], ..Options::default() }
    }
}
