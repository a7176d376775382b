//! Finding in a script, and in what was heard of it, what belongs to an expectation.
//!
//! A capture or a listener may serve several expectations: it is made once and has the id of the first. So the two are
//! looked up by where they are, and probes alone by their id.

use super::{Capture, CaptureSeen, Heard, Listener, ListenerSeen, ProbeSeen, Script, Tap};
use crate::plan::{Party, Protocol};
use std::net::IpAddr;

impl Script {
    /// The capture at a place.
    #[must_use]
    pub fn capture(&self, party: &Party, interface: &Tap) -> Option<&Capture> {
        self.captures
            .iter()
            .find(|(at, capture)| at == party && capture.interface == *interface)
            .map(|(_, found)| found)
    }

    /// All captures of a party.
    pub fn captures_of<'a>(&'a self, party: &'a Party) -> impl Iterator<Item = &'a Capture> {
        self.captures.iter().filter(move |(at, _)| at == party).map(|(_, capture)| capture)
    }

    /// The listener of a party that answers for an address and port.
    #[must_use]
    pub fn listener(&self, party: &Party, protocol: Protocol, address: IpAddr, port: u16) -> Option<&Listener> {
        self.listeners
            .iter()
            .find(|(at, listener)| {
                at == party && listener.protocol == protocol && listener.address == address && listener.port == port
            })
            .map(|(_, listener)| listener)
    }
}

impl Heard {
    /// What became of a probe.
    #[must_use]
    pub fn probe(&self, id: &str) -> Option<&ProbeSeen> {
        self.probes.iter().find(|probe| probe.id == id)
    }

    /// What a capture saw.
    #[must_use]
    pub fn capture(&self, id: &str) -> Option<&CaptureSeen> {
        self.captures.iter().find(|capture| capture.id == id)
    }

    /// What a listener heard.
    #[must_use]
    pub fn listener(&self, id: &str) -> Option<&ListenerSeen> {
        self.listeners.iter().find(|listener| listener.id == id)
    }
}
