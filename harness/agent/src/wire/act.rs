//! Probes side by side: each is opened in its namespace, then all are sent at once, and answers are taken as they come.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::poll::PollFd;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use plumbline_core::plan::Protocol;
use plumbline_core::protocol::Target;
use plumbline_core::wire::{Probe, ProbeEnd, ProbeSeen, Send, dns};

use super::neighbour::Port;
use super::open::identity;
use super::udp::Says;
use super::{control, icmp, neighbour, tcp, udp};
use crate::exit::Failure;
use crate::node::topology;
use crate::place::{Place, inside, told};
use crate::trouble::Trouble;

/// A control frame that no capture here has seen yet is waited for this long: on its way through a bridge it may be in
/// the hands of the kernel's own threads.
const CONTROL_ON_ITS_WAY: Duration = Duration::from_millis(20);

/// A question that is being asked.
pub trait Asking {
    /// What is to be polled.
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>);

    /// Sends it once more.
    ///
    /// # Errors
    /// How the probe ends, where it can't be sent.
    fn send(&mut self) -> Result<(), ProbeEnd>;

    /// Takes what came; the end of the probe, and which sending it answers, where that is known.
    fn take(&mut self) -> Option<(ProbeEnd, Option<Instant>)>;

    /// The end when the window is over.
    fn give_up(&mut self) -> ProbeEnd {
        ProbeEnd::NoAnswer
    }
}

/// A probe on its way.
struct Going {
    asking: Option<Box<dyn Asking>>,
    seen: ProbeSeen,
    times: u32,
    gap: Duration,
    window: Duration,
    start: Instant,
    last: Instant,
}

/// Sends probes and awaits their answers, in the order of the probes.
///
/// # Errors
/// The end of the talk. What goes wrong with a probe is told as its end.
pub fn probe(probes: &[(Target, Probe)], place: &mut Place) -> Result<Vec<ProbeSeen>, Trouble> {
    let _room = Room::make();
    let mut ports = Ports::default();
    let mut going = Vec::with_capacity(probes.len());
    for (target, one) in probes {
        going.push(Going::open(target, one, place, &mut ports)?);
    }
    let start = Instant::now();
    going.iter_mut().for_each(|one| one.start = start);
    loop {
        let now = Instant::now();
        going.iter_mut().for_each(|one| one.turn(now));
        let Some(next) = going.iter().filter_map(Going::due).min() else { break };
        let mut watched = Vec::new();
        let mut whose = Vec::new();
        for (number, one) in going.iter().enumerate() {
            one.asking.iter().for_each(|asking| asking.watch(&mut watched));
            whose.resize(watched.len(), number);
        }
        let ready = place.input.wait(&watched, Some(next)).map_err(Failure::from)?;
        if place.input.closed() {
            return Err(Failure::HungUp.into());
        }
        let mut answered: Vec<usize> =
            whose.iter().zip(ready).filter(|(_, ready)| *ready).map(|(number, _)| *number).collect();
        answered.dedup();
        answered.into_iter().for_each(|number| going[number].take());
    }
    arrival(probes, place)?;
    drop_later(ports, place);
    Ok(going.into_iter().map(|one| one.seen).collect())
}

/// Room for more descriptors than a process has by default (1024), as long as probes are on their way; what the agent
/// starts later gets what it always had.
struct Room(Option<(rlim_t, rlim_t)>);

impl Room {
    fn make() -> Self {
        let before = getrlimit(Resource::RLIMIT_NOFILE).ok();
        if let Some((_, most)) = before {
            // Where it is refused the probes that find no room say so.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
        Self(before)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some((usual, most)) = self.0 {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, usual, most);
        }
    }
}

/// Waits for the control frames to come by.
fn arrival(probes: &[(Target, Probe)], place: &mut Place) -> Result<(), Trouble> {
    let sent: Vec<&str> = probes
        .iter()
        .filter(|(_, one)| matches!(one.what, Send::Control { .. }))
        .map(|(_, one)| one.id.as_str())
        .collect();
    let end = Instant::now() + CONTROL_ON_ITS_WAY;
    let captures = |place: &Place| {
        let all = &place.input.wire.captures;
        all.is_empty() || sent.iter().all(|id| all.iter().any(|one| one.received_control(id)))
    };
    while !captures(place) && Instant::now() < end {
        place.input.wait(&[], Some(end)).map_err(Failure::from)?;
        if place.input.closed() {
            return Err(Failure::HungUp.into());
        }
    }
    Ok(())
}

/// Packet sockets to send by, one for each namespace.
#[derive(Default)]
struct Ports(BTreeMap<(u64, u64), Rc<Port>>);

impl Ports {
    /// That of the namespace this thread is in.
    fn of(&mut self, namespace: (u64, u64)) -> plumbline_netlink::Result<Rc<Port>> {
        if let Some(there) = self.0.get(&namespace) {
            return Ok(Rc::clone(there));
        }
        let port = Rc::new(Port::open()?);
        self.0.insert(namespace, Rc::clone(&port));
        Ok(port)
    }
}

fn drop_later(ports: Ports, place: &mut Place) {
    let sockets = ports.0.into_values().filter_map(|port| Rc::try_unwrap(port).ok());
    place.input.wire.retired.extend(sockets.map(Port::into_socket));
}

impl Going {
    fn open(target: &Target, probe: &Probe, place: &Place, ports: &mut Ports) -> Result<Self, Trouble> {
        let now = Instant::now();
        let window = Duration::from_millis(probe.window_ms);
        let times = match &probe.what {
            Send::Ask { times, .. } | Send::Lookup { times, .. } => (*times).max(1),
            Send::Control { .. } => 1,
        };
        let seen = ProbeSeen { id: probe.id.clone(), sent: 0, end: ProbeEnd::NoAnswer, took_us: 0 };
        let gap = window / times;
        let mut going = Self { asking: None, seen, times, gap, window, start: now, last: now };
        match asking(target, probe, place, ports) {
            Ok(Ok(Some(asking))) => going.asking = Some(asking),
            Ok(Ok(None)) => (going.seen.end, going.seen.sent) = (ProbeEnd::Sent, 1),
            Ok(Err(end)) => going.seen.end = end,
            // That the namespace is gone, or can't be entered, is this probe's trouble alone.
            Err(Trouble::Fault(fault)) => {
                going.seen.end = ProbeEnd::Unable { why: format!("{}: {}", fault.doing, fault.cause) };
            }
            Err(end) => return Err(end),
        }
        Ok(going)
    }

    /// Sends what is due, and gives up where it is time.
    fn turn(&mut self, now: Instant) {
        while let Some(asking) = &mut self.asking {
            if now >= self.start + self.window {
                let end = asking.give_up();
                return self.end(end, None);
            }
            if self.seen.sent >= self.times || now < self.start + self.gap * self.seen.sent {
                return;
            }
            self.last = Instant::now();
            match asking.send() {
                Ok(()) => self.seen.sent += 1,
                Err(end) => return self.end(end, None),
            }
        }
    }

    fn take(&mut self) {
        if let Some((end, since)) = self.asking.as_mut().and_then(|asking| asking.take()) {
            self.end(end, since);
        }
    }

    fn end(&mut self, end: ProbeEnd, since: Option<Instant>) {
        let since = match end {
            ProbeEnd::Answered { .. } | ProbeEnd::Resolved { .. } => since.unwrap_or(self.last),
            _ => self.start,
        };
        self.seen.took_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.seen.end = end;
        self.asking = None;
    }

    /// When something has to be done even if nothing comes; none when it has ended.
    fn due(&self) -> Option<Instant> {
        self.asking.as_ref()?;
        let over = self.start + self.window;
        Some(if self.seen.sent < self.times { over.min(self.start + self.gap * self.seen.sent) } else { over })
    }
}

/// Opens a probe's sockets in its namespace; none for one that is done by that.
fn asking(
    target: &Target,
    probe: &Probe,
    place: &Place,
    ports: &mut Ports,
) -> Result<Result<Option<Box<dyn Asking>>, ProbeEnd>, Trouble> {
    let descriptor = crate::place::open(target)?;
    let work = |ports: &mut Ports| -> Result<Result<Option<Box<dyn Asking>>, ProbeEnd>, Trouble> {
        let mut port = || {
            let namespace = identity(None, target)?;
            ports.of(namespace).map_err(|error| crate::trouble::fault("open a packet socket", error))
        };
        Ok(match &probe.what {
            Send::Control { interface, tags, priority } => {
                let name = topology::tap(interface, target, &place.bed)?;
                control::send(&*port()?, &name, tags, *priority, &probe.id).map(|()| None)
            }
            Send::Ask { by: Protocol::Arp, to, from, dev, .. } => {
                neighbour::Neighbour::open(port()?, *to, *from, dev.as_deref()).map(boxed)
            }
            Send::Ask { by: Protocol::Icmp, to, from, dev, .. } => {
                icmp::Icmp::open(*to, *from, dev.as_deref()).map(boxed)
            }
            Send::Ask { by: Protocol::Udp, to, port, from, dev, .. } => {
                udp::Udp::open(*to, *port, *from, dev.as_deref(), Says::Text(probe.id.clone())).map(boxed)
            }
            Send::Lookup { to, port, from, name, v6, .. } => {
                let says = Says::Question(dns::question(name, *v6, number()));
                udp::Udp::open(*to, Some(*port), *from, None, says).map(boxed)
            }
            Send::Ask { by: Protocol::Tcp, to, port, from, dev, times } => {
                tcp::Tcp::open(*to, *port, *from, dev.as_deref(), *times).map(boxed)
            }
        })
    };
    match descriptor {
        None => work(ports),
        Some(descriptor) => inside(&descriptor, &format!("enter {}", told(target)), || work(ports)),
    }
}

/// A number for a question to a name server. The socket takes datagrams from that server's port alone, so it only has
/// to tell apart, not to be secret.
fn number() -> u16 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u16::try_from(since.subsec_micros() & 0xffff).unwrap_or_default()
}

fn boxed(asking: impl Asking + 'static) -> Option<Box<dyn Asking>> {
    Some(Box::new(asking))
}
