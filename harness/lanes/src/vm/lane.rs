//! Opening the lane.

use super::channel::{self, SessionStart};
use super::first_root::FirstRoot;
use super::machine::SharedMachine;
use super::settings::Settings;
use super::{emulator, host};
use crate::agent::NodeAgent;
use crate::context::Context;
use crate::host::Capabilities;
use crate::lane::{HostReport, Installation, Lane, OpenLane, TestSettings};
use crate::netns::binaries::{self, Binaries};
use crate::netns::lane::{NodeSource, OpenNetns, capabilities};
use crate::netns::networks::NodeNetworks;
use futures::FutureExt;
use futures::future::BoxFuture;
use plumbline_core::event::Event;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::wait::Deadline;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// How many machines are tried for one session: a machine may power off before the session begins.
const TRIES: u32 = 3;

/// The vm lane.
#[derive(Debug, Clone, Copy, Default)]
pub struct VmLane;

impl Lane for VmLane {
    fn name(&self) -> &'static str {
        "vm"
    }

    fn summary(&self) -> &'static str {
        "as netns, in a virtual machine with Debian's kernel: VLANs, ipvlan, vrf, dummy, whatever this host's kernel lacks"
    }

    fn preparation(&self) -> &'static str {
        "builds and starts the virtual machine"
    }

    fn test_settings(&self) -> TestSettings {
        // All tests use one machine with one processor.
        TestSettings { max_threads: 1, priority: 10, slow_seconds: 60, setup_seconds: 1800, ..Default::default() }
    }

    fn check_host<'a>(&'a self, cx: &'a Context, build: bool) -> BoxFuture<'a, Result<HostReport, TestbedError>> {
        std::future::ready(host::check_host(cx, build)).boxed()
    }

    fn installation<'a>(&'a self, root: &'a Path) -> BoxFuture<'a, Result<Option<Installation>, TestbedError>> {
        std::future::ready(host::installation(root)).boxed()
    }

    fn take_down<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result<Vec<String>, TestbedError>> {
        // A profile names clusters only.
        if cx.options.profile.is_some() {
            return std::future::ready(Ok(Vec::new())).boxed();
        }
        super::machine::down().boxed()
    }

    fn open<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result<Box<dyn OpenLane>, TestbedError>> {
        async move { Ok(Box::new(open(cx).await?) as Box<dyn OpenLane>) }.boxed()
    }
}

/// The probed capabilities of machines with one key. They are all alike.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProbedGuest {
    offers: Capabilities,
    stand_ins: Vec<(String, String)>,
    plugins: BTreeSet<String>,
}

async fn open(cx: &Context) -> Result<OpenNetns, TestbedError> {
    let settings = Settings::read(&cx.root)?;
    let networks = NodeNetworks::read(&cx.root)?;
    let program = emulator::ensure(cx, &settings).await?;
    let first_root = FirstRoot::find(cx).await?;
    let overrides = first_root.overrides.clone();
    let guests =
        GuestNodes { shared: Arc::new(SharedMachine::new(program, settings, first_root)?), events: cx.events.clone() };
    let mut found =
        Binaries { node: guests.shared.first_root.node.clone(), stand_ins: vec![], names: BTreeSet::new(), overrides };
    let note = guests.shared.folder.join("known.json");
    let known = match read(&note) {
        Some(known) => known,
        None => {
            let known = guests.probe(&mut found).await?;
            let text = serde_json::to_vec_pretty(&known).at_stage("note what the guest offers")?;
            std::fs::write(&note, text).at_stage("note what the guest offers")?;
            known
        }
    };
    found.stand_ins = known.stand_ins;
    found.names = known.plugins;
    Ok(OpenNetns::with_nodes(Box::new(guests), found, networks, known.offers))
}

fn read(note: &Path) -> Option<ProbedGuest> {
    serde_json::from_slice(&std::fs::read(note).ok()?).ok()
}

/// Nodes in the shared machine.
struct GuestNodes {
    shared: Arc<SharedMachine>,
    events: crate::context::EventSink,
}

impl GuestNodes {
    /// Checks on a first node that all plugins start, and probes the kernel.
    async fn probe(&self, binaries: &mut Binaries) -> Result<ProbedGuest, TestbedError> {
        let mut agent = self.begin_session().await?;
        agent.check_protocol().await?;
        binaries::check(binaries, &mut agent).await?;
        let offers = capabilities(agent.probe_kernel().await?);
        agent.end().await;
        Ok(ProbedGuest { offers, stand_ins: binaries.stand_ins.clone(), plugins: binaries.names.clone() })
    }

    /// Begins a session with its own agent. Starts the machine if none runs.
    async fn begin_session(&self) -> Result<NodeAgent, TestbedError> {
        let shared = &self.shared;
        let deadline = Deadline::after(shared.settings.deadlines.boot + shared.settings.deadlines.kvm);
        for _ in 0..TRIES {
            let (running, started) = shared.ensure(deadline).await?;
            let channel = shared.channels().take_free(deadline).await?;
            let record = running.record.clone();
            let console = shared.folder.join("console.log");
            match channel::begin_session(running, channel, &shared.first_root.node, console, deadline).await? {
                SessionStart::Session(agent, uptime_ms) => {
                    if started {
                        let what = format!("virtual machine, up after {uptime_ms} ms");
                        (self.events)(Event::Chosen { what, reason: record.acceleration });
                    }
                    return Ok(agent);
                }
                SessionStart::MachineEnded if started => break,
                // The machine has just powered off, or was taken down.
                SessionStart::MachineEnded => record.ended(deadline).await?,
            }
        }
        let cause = format!("the virtual machine ended before a session could begin; {}", shared.console_tail());
        Err(TestbedError::new("start the virtual machine", cause))
    }
}

impl NodeSource for GuestNodes {
    fn isolation(&self) -> &'static str {
        "a private node of its own in a shared virtual machine"
    }

    fn start_agent(&self) -> BoxFuture<'_, Result<NodeAgent, TestbedError>> {
        self.begin_session().boxed()
    }

    fn name(&self) -> &'static str {
        "vm"
    }
}
