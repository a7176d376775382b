//! Probes side by side: each is opened in its namespace, then all are sent at once, and answers are read as they arrive.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use plumbline_core::plan::{Protocol, Topology};
use plumbline_core::protocol::Target;
use plumbline_core::wire::{Probe, ProbeAction, ProbeEnd, ProbeResult, dns};

use super::icmp::Icmp;
use super::neighbour::{FrameSocket, Neighbour};
use super::probe_socket::PendingProbe;
use super::tcp::Tcp;
use super::udp::{Payload, Udp};
use crate::error::{During, EndError, RequestError};
use crate::input::Input;
use crate::namespaces::named::run_inside;
use crate::namespaces::target::{describe_target, identify_namespace, open_target};
use crate::node::topology::find_tap_interface;
use crate::sockets::OpenSockets;

/// How long to wait for a control frame that no capture has received: on its way through a bridge, a kernel thread may
/// still have it.
const CONTROL_FRAME_WAIT: Duration = Duration::from_millis(20);

/// A probe in progress, or ended.
struct RunningProbe {
    /// None when it has ended.
    pending: Option<Box<dyn PendingProbe>>,
    seen: ProbeResult,
    times: u32,
    interval: Duration,
    window: Duration,
    start: Instant,
    last_sent: Instant,
}

/// Sends probes and waits for their answers. The results are in the order of the probes.
///
/// # Errors
/// The lane hung up. An error of a probe is its end, not a fault.
pub fn send_probes(
    probes: &[(Target, Probe)],
    input: &mut Input,
    topology: Option<&Topology>,
) -> Result<Vec<ProbeResult>, RequestError> {
    let _limit = DescriptorLimit::raise();
    let mut opener = ProbeOpener { topology, sockets: BTreeMap::new() };
    let mut running = Vec::with_capacity(probes.len());
    for (target, probe) in probes {
        running.push(opener.open(target, probe)?);
    }
    let start = Instant::now();
    running.iter_mut().for_each(|one| one.start = start);
    loop {
        let now = Instant::now();
        running.iter_mut().for_each(|one| one.step(now));
        let Some(next) = running.iter().filter_map(RunningProbe::next_deadline).min() else { break };
        let mut watched = Vec::new();
        let mut owners = Vec::new();
        for (number, one) in running.iter().enumerate() {
            one.pending.iter().for_each(|pending| pending.watch(&mut watched));
            owners.resize(watched.len(), number);
        }
        let ready = input.wait(&watched, Some(next)).map_err(EndError::from)?;
        if input.is_closed() {
            return Err(EndError::HungUp.into());
        }
        let mut ready_probes: Vec<usize> =
            owners.iter().zip(ready).filter(|(_, ready)| *ready).map(|(number, _)| *number).collect();
        ready_probes.dedup();
        ready_probes.into_iter().for_each(|number| running[number].read_answer());
    }
    wait_for_control_frames(probes, input)?;
    opener.retire(&mut input.sockets);
    Ok(running.into_iter().map(|one| one.seen).collect())
}

/// Raises the limit of open descriptors above the default (1024) while probes run. Processes that the agent starts later
/// get the old limit.
struct DescriptorLimit(Option<(rlim_t, rlim_t)>);

impl DescriptorLimit {
    fn raise() -> Self {
        let before = getrlimit(Resource::RLIMIT_NOFILE).ok();
        if let Some((_, hard)) = before {
            // Without it, a probe that gets no descriptor reports that.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
        Self(before)
    }
}

impl Drop for DescriptorLimit {
    fn drop(&mut self) {
        if let Some((soft, hard)) = self.0 {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
    }
}

/// Waits until a capture has received each control frame.
fn wait_for_control_frames(probes: &[(Target, Probe)], input: &mut Input) -> Result<(), RequestError> {
    let sent: Vec<&str> = probes
        .iter()
        .filter(|(_, probe)| matches!(probe.what, ProbeAction::Control { .. }))
        .map(|(_, probe)| probe.id.as_str())
        .collect();
    let end = Instant::now() + CONTROL_FRAME_WAIT;
    let all_received = |input: &Input| {
        let captures = &input.sockets.captures;
        captures.is_empty() || sent.iter().all(|id| captures.iter().any(|one| one.received_control(id)))
    };
    while !all_received(input) && Instant::now() < end {
        input.wait(&[], Some(end)).map_err(EndError::from)?;
        if input.is_closed() {
            return Err(EndError::HungUp.into());
        }
    }
    Ok(())
}

/// Opens probes. It keeps one packet socket to send by for each namespace, identified by device and inode.
struct ProbeOpener<'a> {
    topology: Option<&'a Topology>,
    sockets: BTreeMap<(u64, u64), Rc<FrameSocket>>,
}

impl ProbeOpener<'_> {
    fn open(&mut self, target: &Target, probe: &Probe) -> Result<RunningProbe, RequestError> {
        let now = Instant::now();
        let window = Duration::from_millis(probe.window_ms);
        let times = match &probe.what {
            ProbeAction::Request { times, .. } | ProbeAction::Lookup { times, .. } => (*times).max(1),
            ProbeAction::Control { .. } => 1,
        };
        let mut seen = ProbeResult { id: probe.id.clone(), sent: 0, end: ProbeEnd::NoAnswer, took_us: 0 };
        let pending = match self.open_in_target(target, probe) {
            Ok(Some(pending)) => Some(pending),
            Ok(None) => {
                (seen.end, seen.sent) = (ProbeEnd::Sent, 1);
                None
            }
            Err(OpenError::End(end)) => {
                seen.end = end;
                None
            }
            Err(OpenError::Request(RequestError::End(error))) => return Err(error.into()),
            // A namespace that is gone, or cannot be entered, ends this probe only.
            Err(OpenError::Request(error)) => {
                seen.end = ProbeEnd::Unable { why: error.to_string() };
                None
            }
        };
        Ok(RunningProbe { pending, seen, times, interval: window / times, window, start: now, last_sent: now })
    }

    /// Opens the sockets of a probe in its namespace; none for a probe without an answer, which was sent.
    fn open_in_target(&mut self, target: &Target, probe: &Probe) -> Result<Option<Box<dyn PendingProbe>>, OpenError> {
        let Some(descriptor) = open_target(target)? else { return self.open_here(target, probe) };
        let mut opened = Ok(None);
        run_inside(&descriptor, &format!("enter {}", describe_target(target)), || {
            opened = self.open_here(target, probe);
            Ok(())
        })?;
        opened
    }

    fn open_here(&mut self, target: &Target, probe: &Probe) -> Result<Option<Box<dyn PendingProbe>>, OpenError> {
        Ok(Some(match &probe.what {
            ProbeAction::Control { interface, tags, priority } => {
                let name = find_tap_interface(interface, target, self.topology)?;
                self.frame_socket()?.send_control_frame(&name, tags, *priority, &probe.id)?;
                return Ok(None);
            }
            ProbeAction::Request { by: Protocol::Arp, to, from, dev, .. } => {
                Box::new(Neighbour::open(self.frame_socket()?, *to, *from, dev.as_deref())?)
            }
            ProbeAction::Request { by: Protocol::Icmp, to, from, dev, .. } => {
                Box::new(Icmp::open(*to, *from, dev.as_deref())?)
            }
            ProbeAction::Request { by: Protocol::Udp, to, port, from, dev, .. } => {
                Box::new(Udp::open(*to, *port, *from, dev.as_deref(), Payload::Text(probe.id.clone()))?)
            }
            ProbeAction::Lookup { to, port, from, name, v6, .. } => {
                let query = Payload::DnsQuery(dns::question(name, *v6, query_id()));
                Box::new(Udp::open(*to, Some(*port), *from, None, query)?)
            }
            ProbeAction::Request { by: Protocol::Tcp, to, port, from, dev, times } => {
                Box::new(Tcp::open(*to, *port, *from, dev.as_deref(), *times)?)
            }
        }))
    }

    /// The packet socket of the current namespace.
    fn frame_socket(&mut self) -> Result<Rc<FrameSocket>, RequestError> {
        let namespace = identify_namespace(None)?;
        if let Some(open) = self.sockets.get(&namespace) {
            return Ok(Rc::clone(open));
        }
        let socket = Rc::new(FrameSocket::open().during("open a packet socket")?);
        self.sockets.insert(namespace, Rc::clone(&socket));
        Ok(socket)
    }

    /// Leaves the sockets to be closed after the reply.
    fn retire(self, sockets: &mut OpenSockets) {
        let unused = self.sockets.into_values().filter_map(|socket| Rc::try_unwrap(socket).ok());
        sockets.retired.extend(unused.map(FrameSocket::into_packet_socket));
    }
}

impl RunningProbe {
    /// Sends what is due; ends the probe at the end of its window.
    fn step(&mut self, now: Instant) {
        while let Some(pending) = &mut self.pending {
            if now >= self.start + self.window {
                let end = pending.end_of_window();
                return self.end(end, None);
            }
            if self.seen.sent >= self.times || now < self.start + self.interval * self.seen.sent {
                return;
            }
            self.last_sent = Instant::now();
            match pending.send() {
                Ok(()) => self.seen.sent += 1,
                Err(end) => return self.end(end, None),
            }
        }
    }

    fn read_answer(&mut self) {
        if let Some((end, since)) = self.pending.as_mut().and_then(|pending| pending.read_answer()) {
            self.end(end, since);
        }
    }

    fn end(&mut self, end: ProbeEnd, since: Option<Instant>) {
        let since = match end {
            ProbeEnd::Answered { .. } | ProbeEnd::Resolved { .. } => since.unwrap_or(self.last_sent),
            _ => self.start,
        };
        self.seen.took_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.seen.end = end;
        self.pending = None;
    }

    /// When the next step is due even without an answer; none when the probe has ended.
    fn next_deadline(&self) -> Option<Instant> {
        self.pending.as_ref()?;
        let end = self.start + self.window;
        Some(if self.seen.sent < self.times { end.min(self.start + self.interval * self.seen.sent) } else { end })
    }
}

/// Why a probe was not opened.
enum OpenError {
    /// The probe has ended.
    End(ProbeEnd),
    /// A step before it failed.
    Request(RequestError),
}

impl From<ProbeEnd> for OpenError {
    fn from(end: ProbeEnd) -> Self {
        Self::End(end)
    }
}

impl From<RequestError> for OpenError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

/// The identifier of a DNS query. The socket receives datagrams of that server's port only, so the identifier only has to
/// differ between queries; it need not be secret.
fn query_id() -> u16 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u16::try_from(since.subsec_micros() & 0xffff).unwrap_or_default()
}
