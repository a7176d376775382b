//! Opening the lane.

use super::channel::{self, Begun};
use super::emulator;
use super::given::Given;
use super::host;
use super::machine::Shared;
use super::settings::Settings;
use crate::agent::LocalAgent;
use crate::context::Context;
use crate::lane::{HostReport, Installation, Lane, Offers, OpenLane, TestSettings};
use crate::netns::binaries::{self, Binaries};
use crate::netns::lane::{Nodes, OpenNetns, offers};
use crate::netns::networks::NodeNetworks;
use futures::FutureExt;
use futures::future::BoxFuture;
use plumbline_core::event::Event;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::wait::Deadline;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// How often a machine that switched itself off just then is followed by another, before any scenario has begun in it.
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
        TestSettings {
            by_default: false,
            // One machine with one processor serves them all.
            max_threads: 1,
            test_threads: None,
            priority: 10,
            slow_seconds: 60,
            grace_seconds: None,
            setup_seconds: 1800,
        }
    }

    fn check_host<'a>(&'a self, cx: &'a Context, build: bool) -> BoxFuture<'a, Result<HostReport, TestbedError>> {
        std::future::ready(host::check_host(cx, build)).boxed()
    }

    fn installation<'a>(&'a self, root: &'a Path) -> BoxFuture<'a, Result<Option<Installation>, TestbedError>> {
        std::future::ready(host::installation(root)).boxed()
    }

    fn take_down<'a>(&'a self, _cx: &'a Context) -> BoxFuture<'a, Result<Vec<String>, TestbedError>> {
        super::machine::down().boxed()
    }

    fn open<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result<Box<dyn OpenLane>, TestbedError>> {
        async move {
            let open = open(cx).await?;
            Ok(Box::new(open) as Box<dyn OpenLane>)
        }
        .boxed()
    }
}

/// What is known of machines of one key: they are all alike.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    offers: Offers,
    stand_ins: Vec<(String, String)>,
}

async fn open(cx: &Context) -> Result<OpenNetns, TestbedError> {
    let settings = Settings::read(&cx.root)?;
    let networks = NodeNetworks::read(&cx.root)?;
    let program = emulator::ensure(cx, &settings).await?;
    let given = Given::find(cx).await?;
    let overrides = given.overrides.clone();
    let guests = Guests { shared: Arc::new(Shared::new(program, settings, given)?), events: cx.events.clone() };
    let mut found = Binaries { node: guests.shared.given.node.clone(), stand_ins: vec![], overrides };
    let note = guests.shared.folder.join("known.json");
    let known = match read(&note) {
        Some(known) => known,
        None => {
            let known = guests.learn(&mut found).await?;
            let text = serde_json::to_vec_pretty(&known).at_stage("note what the guest offers")?;
            std::fs::write(&note, text).at_stage("note what the guest offers")?;
            known
        }
    };
    found.stand_ins = known.stand_ins;
    Ok(OpenNetns::elsewhere(Box::new(guests), found, networks, known.offers))
}

fn read(note: &Path) -> Option<Known> {
    serde_json::from_slice(&std::fs::read(note).ok()?).ok()
}

/// Nodes in the machine that all share.
struct Guests {
    shared: Arc<Shared>,
    events: crate::context::EventSink,
}

impl Guests {
    /// Learns on a first node whether all plugins start and what the kernel can do.
    async fn learn(&self, binaries: &mut Binaries) -> Result<Known, TestbedError> {
        let mut agent = self.session().await?;
        agent.hello().await?;
        binaries::check(binaries, &mut agent).await?;
        let offers = offers(agent.probe().await?);
        agent.end().await;
        Ok(Known { offers, stand_ins: binaries.stand_ins.clone() })
    }

    /// A session with an agent of its own. The machine is started where none runs.
    async fn session(&self) -> Result<LocalAgent, TestbedError> {
        let shared = &self.shared;
        let deadline = Deadline::after(shared.settings.deadlines.boot() + shared.settings.deadlines.kvm());
        for _ in 0..TRIES {
            let (running, started) = shared.ensure(deadline).await?;
            let channel = shared.channels().free(deadline).await?;
            let record = running.record.clone();
            let console = shared.folder.join("console.log");
            match channel::begin(running, channel, &shared.given.node, console, deadline).await? {
                Begun::Session(agent, uptime_ms) => {
                    if started {
                        let what = format!("virtual machine, up after {uptime_ms} ms");
                        (self.events)(Event::Chosen { what, reason: record.runs });
                    }
                    return Ok(agent);
                }
                Begun::MachineEnded if started => break,
                // It has switched itself off in this moment, or somebody took it down.
                Begun::MachineEnded => record.ended(deadline).await?,
            }
        }
        let cause = format!("the virtual machine ended before a session could begin; {}", shared.last_words());
        Err(TestbedError::new("start the virtual machine", cause))
    }
}

impl Nodes for Guests {
    fn isolation(&self) -> &'static str {
        "a private node of its own in a shared virtual machine"
    }

    fn agent(&self) -> BoxFuture<'_, Result<LocalAgent, TestbedError>> {
        self.session().boxed()
    }

    fn name(&self) -> &'static str {
        "vm"
    }
}
