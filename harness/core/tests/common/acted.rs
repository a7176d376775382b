//! The wired scenario's act as it goes when all is well, to be bent by the tests of the judge.

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

/// A plan, what was observed, and what became of its act.
pub struct Acted {
    pub plan: Plan,
    pub observation: Observation,
}

/// What a question looks like on the wire.
struct Asked {
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

impl Asked {
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

impl Acted {
    /// All is well.
    pub fn well() -> Self {
        Self::of(wired())
    }

    /// All is well with a plan of the same pods.
    pub fn of(plan: Plan) -> Self {
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
        let mut acted = Self { plan, observation };
        for index in 0..acted.wire().script.probes.len() {
            acted.answer(index);
        }
        acted
    }

    pub fn wire(&mut self) -> &mut WireObservation {
        self.observation.wire.as_mut().unwrap()
    }

    fn answer(&mut self, index: usize) {
        let (endpoint, probe) = self.wire().script.probes[index].clone();
        let mut end = ProbeEnd::Sent;
        match &probe.what {
            ProbeAction::Control { tags, priority, .. } => {
                let mut bytes = ethernet(ALL, GATEWAY, tags, 0x88b5, probe.id.as_bytes());
                if !tags.is_empty() {
                    bytes[14] |= priority << 5;
                }
                self.frame_at(&ProbeEndpoint::Node(2), "outside", Direction::In, &bytes);
            }
            ProbeAction::Lookup { .. } => panic!("the wired scenario asks for no name"),
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
                    let asked = Asked {
                        id: probe.id.clone(),
                        from: format!("10.0.0.{}", 10 + place).parse().unwrap(),
                        from_mac: mac(0x10 + u8::try_from(place).unwrap()),
                        to: *to,
                        to_mac,
                        by: *by,
                        port: port.unwrap_or(0),
                        own,
                    };
                    let saw = port.map(|_| std::net::SocketAddr::new(asked.from, own));
                    let mac = (*by == Protocol::Arp).then(|| "02:00:00:00:00:77".to_owned());
                    end = ProbeEnd::Answered { by: *to, mac, saw };
                    match probe.id.as_str() {
                        "pod/cannotReach/0" => {
                            end = ProbeEnd::NoAnswer;
                            self.frame_at(&endpoint, "eth1", Direction::Out, &asked.frame(true, &[]));
                        }
                        "pod/cannotReach/1" => end = ProbeEnd::NoRoute,
                        _ => self.pass(&endpoint, &asked, target),
                    }
                }
            }
        }
        let sent = if end == ProbeEnd::NoAnswer { 3 } else { 1 };
        self.wire().results.probes.push(ProbeResult { id: probe.id, sent, end, took_us: 900 });
    }

    fn pass(&mut self, endpoint: &ProbeEndpoint, asked: &Asked, target: Option<ProbeEndpoint>) {
        assert!(!asked.id.is_empty());
        self.frame_at(endpoint, "eth1", Direction::Out, &asked.frame(true, &[]));
        self.frame_at(endpoint, "eth1", Direction::In, &asked.frame(false, &[]));
        if target == Some(ProbeEndpoint::Host("gw".to_owned())) {
            self.frame_at(&ProbeEndpoint::Node(2), "outside", Direction::Out, &asked.frame(true, &[100]));
            self.frame_at(&ProbeEndpoint::Node(2), "outside", Direction::In, &asked.frame(false, &[100]));
        }
        if let Some(target) = target {
            let (place, tags): (_, &[u16]) =
                if matches!(target, ProbeEndpoint::Pod(_)) { ("eth1", &[]) } else { ("outside", &[100]) };
            self.frame_at(&target, place, Direction::In, &asked.frame(true, tags));
            self.frame_at(&target, place, Direction::Out, &asked.frame(false, tags));
        }
    }

    /// Puts a frame into the capture at a place, where there is one.
    pub fn frame_at(&mut self, endpoint: &ProbeEndpoint, interface: &str, direction: Direction, bytes: &[u8]) {
        let frames = self.frames(endpoint, interface);
        frames.push(frame(direction, bytes));
    }

    /// The frames of the capture at a place.
    pub fn frames(&mut self, endpoint: &ProbeEndpoint, interface: &str) -> &mut Vec<plumbline_core::wire::RawFrame> {
        let wire = self.wire();
        let fits = |tap: &Tap| matches!(tap, Tap::Name(name) | Tap::Uplink(name) if name == interface);
        let capture = wire.script.captures.iter().find(|(at, capture)| at == endpoint && fits(&capture.interface));
        let id = capture.unwrap_or_else(|| panic!("no capture at {endpoint} {interface}")).1.id.clone();
        &mut wire.results.captures.iter_mut().find(|seen| seen.id == id).unwrap().frames
    }

    /// Changes every frame at a place of which the words hold a part.
    pub fn change(&mut self, endpoint: &ProbeEndpoint, interface: &str, part: &str, change: impl Fn(&mut Vec<u8>)) {
        let mut hit = false;
        for frame in self.frames(endpoint, interface) {
            if decode(frame).unwrap().to_string().contains(part) {
                let mut bytes = frame.octets().unwrap();
                change(&mut bytes);
                *frame = super::frames::frame(frame.direction, &bytes);
                hit = true;
            }
        }
        assert!(hit, "no frame with {part} at {endpoint} {interface}");
    }

    /// Takes frames away whose words hold a part.
    pub fn take(
        &mut self,
        endpoint: &ProbeEndpoint,
        interface: &str,
        part: &str,
    ) -> Vec<plumbline_core::wire::RawFrame> {
        let frames = self.frames(endpoint, interface);
        let (taken, left) = frames.drain(..).partition(|frame| decode(frame).unwrap().to_string().contains(part));
        *frames = left;
        assert!(!Vec::is_empty(&taken), "no frame with {part} at {endpoint} {interface}");
        taken
    }

    /// Ends a probe otherwise.
    pub fn end(&mut self, id: &str, end: ProbeEnd) {
        let probes = &mut self.wire().results.probes;
        let probe = probes.iter_mut().find(|probe| probe.id == id).unwrap_or_else(|| panic!("no probe {id}"));
        probe.sent = 3;
        probe.end = end;
    }

    /// What the judge says.
    pub fn judged(&self) -> Judgement {
        judge(&self.plan, &self.observation)
    }

    /// The findings as text, or what was not observed.
    pub fn told(&self) -> String {
        let judgement = self.judged();
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
