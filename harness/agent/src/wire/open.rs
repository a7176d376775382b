//! Opening the sockets of an act, and looking after them.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use nix::poll::PollFd;
use plumbline_core::protocol::Target;
use plumbline_core::wire::{Capture, Listener};
use plumbline_netlink::raw::PacketSocket;

use super::capture::Captures;
use super::listen::Listening;
use crate::node::topology;
use crate::place::{Place, told, within};
use crate::trouble::{Doing, Trouble};

/// What is open.
#[derive(Default)]
pub struct Wire {
    /// Captures, by namespace.
    pub captures: Vec<Captures>,
    /// The ids of the captures in the order in which they were asked for.
    pub order: Vec<String>,
    /// Listeners with where they are.
    pub listeners: Vec<(Target, Listening)>,
    /// Sockets that are done with, to be closed when nobody waits for it.
    pub retired: Vec<PacketSocket>,
}

impl Wire {
    /// What is to be polled.
    pub fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        watched.extend(self.captures.iter().map(Captures::watch));
        self.listeners.iter().for_each(|(_, one)| one.watch(watched));
    }

    /// Serves what is ready, as [`watch`](Self::watch) gave them.
    pub fn serve(&mut self, ready: &[bool]) {
        let mut rest = ready;
        for one in &mut self.captures {
            if rest.first() == Some(&true) {
                one.take();
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        for (_, one) in &mut self.listeners {
            let (own, others) = rest.split_at(one.watched().min(rest.len()));
            if own.contains(&true) {
                one.serve(own);
            }
            rest = others;
        }
    }

    /// Whether nothing is open.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.captures.is_empty() && self.listeners.is_empty()
    }

    /// Lets go of everything, unheard.
    fn forget(&mut self) {
        self.listeners.clear();
        self.order.clear();
        for one in std::mem::take(&mut self.captures) {
            self.retired.extend(one.close().map(|(_, socket)| socket));
        }
    }
}

/// Opens listeners and captures; what was open before is closed.
///
/// # Errors
/// A fault that names what could not be opened; nothing is open then.
pub fn open(
    listeners: &[(Target, Listener)],
    captures: &[(Target, Capture)],
    place: &mut Place,
) -> Result<(), Trouble> {
    place.input.wire.forget();
    let opened = all(listeners, captures, place);
    if opened.is_err() {
        place.input.wire.forget();
    }
    opened
}

fn all(listeners: &[(Target, Listener)], captures: &[(Target, Capture)], place: &mut Place) -> Result<(), Trouble> {
    // One socket for each namespace, however it is called; the listing keeps the order of the first mention.
    let mut spaces: Vec<(&Target, Vec<(Capture, String)>)> = Vec::new();
    let mut known: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for (target, wanted) in captures {
        let interface = topology::tap(&wanted.interface, target, &place.bed)?;
        let identity = identity(crate::place::open(target)?, target)?;
        let at = *known.entry(identity).or_insert_with(|| {
            spaces.push((target, Vec::new()));
            spaces.len() - 1
        });
        spaces[at].1.push((wanted.clone(), interface));
        place.input.wire.order.push(wanted.id.clone());
    }
    for (target, wanted) in spaces {
        let opened = within(target, || Captures::open(wanted))?;
        place.input.wire.captures.push(opened);
    }
    for (target, wanted) in listeners {
        let doing = format!("listen on {}:{} in {}", wanted.address, wanted.port, told(target));
        let opened = within(target, || Listening::open(wanted).doing(doing))?;
        place.input.wire.listeners.push((target.clone(), opened));
    }
    Ok(())
}

/// Which namespace a target is: by device and inode (`ioctl_ns(2)`).
///
/// # Errors
/// A fault when it can't be looked at.
pub fn identity(descriptor: Option<OwnedFd>, target: &Target) -> Result<(u64, u64), Trouble> {
    let doing = || format!("look at {}", told(target));
    let descriptor = match descriptor {
        Some(descriptor) => descriptor,
        None => plumbline_netlink::namespace::current().doing(doing())?,
    };
    let about = nix::sys::stat::fstat(descriptor).doing(doing())?;
    Ok((about.st_dev, about.st_ino))
}
