//! The wired scenario with passing probe results. Tests of the judge edit them.

use super::frames::{ALL, arp, echo, ethernet, frame, ipv4, mac, tcp, udp};
use super::wired::{observed, wired};
use plumbline_core::judge::{Judgement, judge};
use plumbline_core::observe::Observation;
use plumbline_core::plan::{Plan, ProbeEndpoint, Protocol};
use plumbline_core::script::build_script;
use plumbline_core::wire::{
    CaptureResult, Direction, ListenerResult, ProbeAction, ProbeEnd, ProbeResult, ProbeResults, Tap, WireObservation,
    decode,
};
use std::net::IpAddr;

/// The gateway's MAC.
pub const GATEWAY: [u8; 6] = [2, 0, 0, 0, 0, 0x77];

/// A plan, and its observation with probe results.
pub struct Probed {
    pub plan: Plan,
    pub observation: Observation,
}

/// A request and its reply on the wire.
struct Exchange {
    id: String,
    from: IpAddr,
    from_mac: [u8; 6],
    to: IpAddr,
    to_mac: [u8; 6],
    by: Protocol,
    port: u16,
    /// The sender's port.
    own: u16,
}

impl Exchange {
    fn frame(&self, is_request: bool, tags: &[u16]) -> Vec<u8> {
        let (from, to) = if is_request { (self.from, self.to) } else { (self.to, self.from) };
        let (from, to) = (from.to_string(), to.to_string());
        let (mine, theirs) = if is_request { (self.from_mac, self.to_mac) } else { (self.to_mac, self.from_mac) };
        let (port, other) = if is_request { (self.own, self.port) } else { (self.port, self.own) };
        let (ethertype, payload) = match self.by {
            Protocol::Icmp => {
                let mut message = echo(is_request);
                message[4..6].copy_from_slice(&self.own.to_be_bytes());
                (0x0800, ipv4(&from, &to, 1, &message))
            }
            Protocol::Udp => (0x0800, ipv4(&from, &to, 17, &udp(port, other))),
            Protocol::Tcp => (0x0800, ipv4(&from, &to, 6, &tcp(port, other, if is_request { 0x02 } else { 0x12 }))),
            Protocol::Arp => (0x0806, arp(is_request, (&from, mine), &to)),
        };
        let theirs = if self.by == Protocol::Arp && is_request { ALL } else { theirs };
        ethernet(theirs, mine, tags, ethertype, &payload)
    }
}

impl Probed {
    /// The wired scenario with passing results.
    pub fn passing() -> Self {
        Self::from_plan(wired())
    }

    /// Passing results for a plan with the same pods.
    pub fn from_plan(plan: Plan) -> Self {
        let mut observation = observed();
        let script = build_script(&plan, &observation).unwrap();
        let mut results = ProbeResults::default();
        for (_, capture) in &script.captures {
            let interface = match &capture.interface {
                Tap::Name(name) | Tap::Uplink(name) => name.clone(),
            };
            results.captures.push(CaptureResult { id: capture.id.clone(), interface, frames: vec![], dropped: 0 });
        }
        for (_, listener) in &script.listeners {
            results.listeners.push(ListenerResult { id: listener.id.clone(), alive: true, from: vec![] });
        }
        observation.wire = Some(WireObservation { script, results });
        let mut probed = Self { plan, observation };
        for index in 0..probed.wire_mut().script.probes.len() {
            probed.add_result(index);
        }
        probed
    }

    pub fn wire_mut(&mut self) -> &mut WireObservation {
        self.observation.wire.as_mut().unwrap()
    }

    fn add_result(&mut self, index: usize) {
        let (endpoint, probe) = self.wire_mut().script.probes[index].clone();
        let mut end = ProbeEnd::Sent;
        match &probe.what {
            ProbeAction::Control { tags, priority, .. } => {
                let mut bytes = ethernet(ALL, GATEWAY, tags, 0x88b5, probe.id.as_bytes());
                if !tags.is_empty() {
                    bytes[14] |= priority << 5;
                }
                self.add_frame(&ProbeEndpoint::Node(2), "outside", Direction::In, &bytes);
            }
            ProbeAction::Lookup { .. } => panic!("the wired scenario has no lookup"),
            ProbeAction::Request { by, to, port, .. } => {
                end = ProbeEnd::Answered { by: *to, mac: None, saw: None };
                if let ProbeEndpoint::Pod(name) = &endpoint {
                    let place = self.plan.pods.iter().position(|pod| pod.name == *name).unwrap();
                    let own = u16::try_from(4000 + index).unwrap();
                    let last = |to: &IpAddr| to.to_string().rsplit('.').next().unwrap().parse::<u8>().unwrap();
                    let target = match last(to) {
                        last @ 11..=13 => Some(ProbeEndpoint::Pod(format!("other-{}", last - 10))),
                        _ => Some(ProbeEndpoint::Host("gw".to_owned())),
                    };
                    let to_mac = match last(to) {
                        last @ 11..=13 => mac(0x10 + last - 10),
                        _ => GATEWAY,
                    };
                    let exchange = Exchange {
                        id: probe.id.clone(),
                        from: format!("10.0.0.{}", 10 + place).parse().unwrap(),
                        from_mac: mac(0x10 + u8::try_from(place).unwrap()),
                        to: *to,
                        to_mac,
                        by: *by,
                        port: port.unwrap_or(0),
                        own,
                    };
                    let saw = port.map(|_| std::net::SocketAddr::new(exchange.from, own));
                    let mac = (*by == Protocol::Arp).then(|| "02:00:00:00:00:77".to_owned());
                    end = ProbeEnd::Answered { by: *to, mac, saw };
                    match probe.id.as_str() {
                        "pod/cannotReach/0" => {
                            end = ProbeEnd::NoAnswer;
                            self.add_frame(&endpoint, "eth1", Direction::Out, &exchange.frame(true, &[]));
                        }
                        "pod/cannotReach/1" => end = ProbeEnd::NoRoute,
                        _ => self.add_passing_frames(&endpoint, &exchange, target),
                    }
                }
            }
        }
        let sent = if end == ProbeEnd::NoAnswer { 3 } else { 1 };
        self.wire_mut().results.probes.push(ProbeResult { id: probe.id, sent, end, took_us: 900 });
    }

    fn add_passing_frames(&mut self, endpoint: &ProbeEndpoint, exchange: &Exchange, target: Option<ProbeEndpoint>) {
        assert!(!exchange.id.is_empty());
        self.add_frame(endpoint, "eth1", Direction::Out, &exchange.frame(true, &[]));
        self.add_frame(endpoint, "eth1", Direction::In, &exchange.frame(false, &[]));
        if target == Some(ProbeEndpoint::Host("gw".to_owned())) {
            self.add_frame(&ProbeEndpoint::Node(2), "outside", Direction::Out, &exchange.frame(true, &[100]));
            self.add_frame(&ProbeEndpoint::Node(2), "outside", Direction::In, &exchange.frame(false, &[100]));
        }
        if let Some(target) = target {
            let (place, tags): (_, &[u16]) =
                if matches!(target, ProbeEndpoint::Pod(_)) { ("eth1", &[]) } else { ("outside", &[100]) };
            self.add_frame(&target, place, Direction::In, &exchange.frame(true, tags));
            self.add_frame(&target, place, Direction::Out, &exchange.frame(false, tags));
        }
    }

    /// Adds a frame to the capture at an endpoint's interface.
    pub fn add_frame(&mut self, endpoint: &ProbeEndpoint, interface: &str, direction: Direction, bytes: &[u8]) {
        let frames = self.frames_mut(endpoint, interface);
        frames.push(frame(direction, bytes));
    }

    /// The frames of the capture at an endpoint's interface.
    pub fn frames_mut(
        &mut self,
        endpoint: &ProbeEndpoint,
        interface: &str,
    ) -> &mut Vec<plumbline_core::wire::RawFrame> {
        let wire = self.wire_mut();
        let fits = |tap: &Tap| matches!(tap, Tap::Name(name) | Tap::Uplink(name) if name == interface);
        let capture = wire.script.captures.iter().find(|(at, capture)| at == endpoint && fits(&capture.interface));
        let id = capture.unwrap_or_else(|| panic!("no capture at {endpoint} {interface}")).1.id.clone();
        &mut wire.results.captures.iter_mut().find(|seen| seen.id == id).unwrap().frames
    }

    /// Changes each frame at an endpoint's interface whose decoded text contains `part`.
    pub fn change_frames(
        &mut self,
        endpoint: &ProbeEndpoint,
        interface: &str,
        part: &str,
        change: impl Fn(&mut Vec<u8>),
    ) {
        let mut hit = false;
        for frame in self.frames_mut(endpoint, interface) {
            if decode(frame).unwrap().to_string().contains(part) {
                let mut bytes = frame.octets().unwrap();
                change(&mut bytes);
                *frame = super::frames::frame(frame.direction, &bytes);
                hit = true;
            }
        }
        assert!(hit, "no frame with {part} at {endpoint} {interface}");
    }

    /// Removes the frames whose decoded text contains `part`.
    pub fn remove_frames(
        &mut self,
        endpoint: &ProbeEndpoint,
        interface: &str,
        part: &str,
    ) -> Vec<plumbline_core::wire::RawFrame> {
        let frames = self.frames_mut(endpoint, interface);
        let (taken, left) = frames.drain(..).partition(|frame| decode(frame).unwrap().to_string().contains(part));
        *frames = left;
        assert!(!Vec::is_empty(&taken), "no frame with {part} at {endpoint} {interface}");
        taken
    }

    /// Replaces the end of a probe.
    pub fn set_end(&mut self, id: &str, end: ProbeEnd) {
        let probes = &mut self.wire_mut().results.probes;
        let probe = probes.iter_mut().find(|probe| probe.id == id).unwrap_or_else(|| panic!("no probe {id}"));
        probe.sent = 3;
        probe.end = end;
    }

    /// Judges the observation.
    pub fn judge(&self) -> Judgement {
        judge(&self.plan, &self.observation)
    }

    /// The findings as text, and each missing observation.
    pub fn findings_text(&self) -> String {
        let judgement = self.judge();
        let mut text = String::new();
        for line in &judgement.unobserved {
            text.push_str(&format!("ERROR {line}\n"));
        }
        for finding in &judgement.findings {
            let source = finding.source.as_ref().unwrap();
            let place = format!("line {}:{}", source.line, source.column);
            let (pod, interface) = (finding.pod.as_deref(), finding.interface.as_deref());
            text.push_str(&format!(
                "{} {} ({place}, pod {:?}, interface {:?})\n",
                finding.code, finding.message, pod, interface
            ));
            for (sign, line) in [("wanted", &finding.expected), ("found", &finding.found)] {
                if let Some(line) = line {
                    text.push_str(&format!("  {sign}: {line}\n"));
                }
            }
            for note in &finding.notes {
                text.push_str(&format!("  note: {note}\n"));
            }
        }
        text
    }
}
