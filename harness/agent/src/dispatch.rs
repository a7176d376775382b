//! Which request is answered where.

use plumbline_core::plan::VIRTIO_ENI;
use plumbline_core::protocol::{Op, Outcome, PROTOCOL_VERSION, Probed};

use crate::input::Input;
use crate::place::{self, Place};
use crate::trouble::Trouble;
use crate::{cni, files, node, observe, probe, serve, wire};

/// Carries out one request.
///
/// # Errors
/// [`Trouble::Fault`] when it can't be done, [`Trouble::End`] when the talk is over.
pub fn dispatch(op: &Op, place: &mut Place) -> Result<Outcome, Trouble> {
    match op {
        Op::Hello => Ok(Outcome::Hello { protocol: PROTOCOL_VERSION, version: env!("CARGO_PKG_VERSION").to_owned() }),
        Op::Bridges(bridges) => node::bridges::make(bridges).map(|()| Outcome::Done),
        Op::Topology(topology) => {
            place.private("make a topology")?;
            node::topology::make(topology, place).map(|()| Outcome::Done)
        }
        Op::Links(links) => node::links::make(links).map(|()| Outcome::Done),
        Op::Port { bridge, interface } => node::links::port(bridge, interface, place).map(|()| Outcome::Done),
        Op::BeHost { host, interfaces } => node::hosts::be(host, interfaces, place).map(|()| Outcome::Done),
        Op::WireOpen { listeners, captures } => {
            if place.plugins.is_some() {
                node::settle::wait(place)?;
                let listens = listeners.iter().any(|(_, one)| one.address.is_ipv6());
                if listens || captures.iter().any(|(_, one)| one.addresses.iter().any(std::net::IpAddr::is_ipv6)) {
                    node::settle::detection(place)?;
                }
            }
            wire::open::open(listeners, captures, place).map(|()| Outcome::Done)
        }
        Op::WireProbe(probes) => {
            // Where something is open it was waited for by then.
            if place.plugins.is_some() && place.input.wire.is_closed() {
                node::settle::wait(place)?;
            }
            wire::act::probe(probes, place).map(Outcome::Probes)
        }
        Op::WireClose => {
            wire::close::close(place).map(|(captures, listeners)| Outcome::WireSeen { captures, listeners })
        }
        Op::PodAdd { name, node } => {
            place.private("make a pod")?;
            node::pods::add(name, *node, &mut place.bed).map(|path| Outcome::Netns { path })
        }
        Op::PodDel { name } => {
            place.private("remove a pod")?;
            node::pods::remove(name, &mut place.bed).map(|()| Outcome::Done)
        }
        Op::Cni(request) => cni::chain::run(request, place).map(Outcome::Chain),
        Op::CniVersions { plugins } => cni::versions::ask(plugins, place).map(Outcome::Versions),
        Op::Probe => {
            let (mut probed, used) = probe::links::all();
            if let Some(used) = &used {
                let runner = &place.runner;
                let doing = "enter the namespace of the probe";
                let running = place::inside(used, doing, || Ok(runner.start(&probe::rules::jobs())?))?;
                // `probe-host` asks and hangs up, and wants to know all the same; each trial has its own deadline.
                probed.extend(probe::rules::read(&place.runner.finish(running, &mut Input::nobody())?));
            }
            place.used = used;
            let lent = node::borrowed::count(&place.bed);
            let there = lent.is_ok();
            let seen = lent.map_or_else(|why| why, |pairs| format!("{pairs} pairs of virtio interfaces to borrow"));
            probed.insert(VIRTIO_ENI.to_owned(), Probed { there, seen });
            Ok(Outcome::Probed(probed))
        }
        Op::Sysctls { target, names } => place::within(target, || node::sysctls::named(names)).map(Outcome::Sysctls),
        Op::Observe { target, with_ip } => observe::observe(target, *with_ip, place).map(Outcome::Observed),
        Op::Reported { namespace, name, uid } => serve::reported::read(namespace, name, uid).map(Outcome::Reported),
        Op::Leases { namespace, name, uid } => serve::leases::held(namespace, name, uid).map(Outcome::Leases),
        Op::LeasesKept(leases) => serve::leases::kept(leases).map(Outcome::Leases),
        Op::AwaitGone { namespace, name, uid, deadline_ms } => {
            serve::gone::wait(namespace, name, uid, *deadline_ms, &mut place.input)
        }
        Op::Stay => {
            place.private("stay")?;
            place.stays = true;
            Ok(Outcome::Done)
        }
        Op::Read { path } => files::read(path),
        Op::Hash { paths } => files::hash(paths).map(Outcome::Hashes),
        Op::Exec { target, argv, deadline_ms } => serve::exec::run(target, argv, *deadline_ms, place),
    }
}
