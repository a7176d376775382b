//! All requests against the running kernel, in a private user and network namespace.
//!
//! The test's own harness starts threads, and a process with more than one thread may not make a user namespace, so the
//! program runs itself again for each case, behind util-linux's `unshare`. Where the host refuses user namespaces the
//! cases fail with the error of `unshare`.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::AddressScope;
use netlink_packet_route::link::{InfoBridgePort, LinkAttribute, LinkFlags, MacVlanMode};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteScope, RouteType};
use netlink_packet_route::rule::RuleAction;
use nix::sched::{CloneFlags, unshare};
use plumbline_netlink::{
    Add, Errno, LinkKind, Netlink, NewAddress, NewLink, NewRoute, NewRule, link, namespace, route,
};

/// Names the case that the inner program runs.
const INNER: &str = "PLUMBLINE_NETLINK_CASE";

type Case = fn() -> Result<()>;

const CASES: &[(&str, Case)] = &[
    ("bridge_is_made_changed_and_deleted", bridge),
    ("veth_reaches_into_another_namespace", veth_and_move),
    ("macvlan_is_made_in_a_pod_with_its_parent_outside", macvlan),
    ("kinds_the_kernel_lacks_are_named_so", probe),
    ("addresses_come_and_go", addresses),
    ("routes_come_and_go", routes),
    ("refusals_keep_errno_and_sentence", refusals),
    ("rules_of_both_families_are_listed", rules),
    ("attributes_of_links_addresses_routes_and_rules_are_set", attributes),
    ("going_into_a_namespace_comes_back_after_errors_and_panics", there_and_back),
];

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(INNER) {
        return inner(&name);
    }
    let arguments = Arguments::from_args();
    let trials = CASES.iter().map(|(name, _)| Trial::test(*name, move || outer(name))).collect::<Vec<_>>();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn outer(name: &str) -> Result<(), Failed> {
    let program = std::env::current_exe()?;
    #[expect(clippy::disallowed_methods, reason = "the test of a crate below the harness and its exec")]
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net"])
        .arg(program)
        .env(INNER, name)
        .output()
        .map_err(|error| format!("cannot start unshare (package util-linux): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

#[expect(clippy::print_stderr, reason = "standard error is how the inner program reports")]
fn inner(name: &str) -> ExitCode {
    let Some((_, case)) = CASES.iter().find(|(known, _)| *known == name) else {
        eprintln!("no case {name}");
        return ExitCode::FAILURE;
    };
    match case() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn names(netlink: &mut Netlink) -> Result<Vec<String>> {
    Ok(netlink.links()?.iter().map(|message| link::name(message).to_owned()).collect())
}

fn bridge() -> Result<()> {
    let mut netlink = Netlink::open()?;
    netlink.add_link(&NewLink::new("br-ex", LinkKind::Bridge).mtu(1400).up())?;
    let index = netlink.link_index("br-ex")?;
    let made = netlink.link("br-ex")?;
    ensure!(made.header.flags.contains(LinkFlags::Up), "not up: {made:?}");
    ensure!(made.attributes.contains(&LinkAttribute::Mtu(1400)), "MTU: {made:?}");

    let again = netlink.add_link(&NewLink::new("br-ex", LinkKind::Bridge));
    ensure!(again.as_ref().is_err_and(|error| error.is(Errno::EEXIST)), "{again:?}");
    netlink.set_up(index, false)?;
    netlink.rename(index, "br-in")?;
    ensure!(names(&mut netlink)?.contains(&"br-in".to_owned()));
    netlink.delete_link(index)?;
    let gone = netlink.link_index("br-in");
    ensure!(gone.as_ref().is_err_and(|error| error.is(Errno::ENODEV)), "{gone:?}");
    Ok(())
}

/// A new network namespace, while this program stays in its own.
fn other_namespace() -> Result<std::os::fd::OwnedFd> {
    let home = namespace::current()?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    let other = namespace::current()?;
    namespace::enter(&home)?;
    ensure!(namespace::same(&home, namespace::current()?)?, "not back home");
    ensure!(!namespace::same(&home, &other)?, "unshare made nothing");
    Ok(other)
}

fn veth_and_move() -> Result<()> {
    use std::os::fd::AsFd;
    let pod = other_namespace()?;
    let mut here = Netlink::open()?;
    let mut there = Netlink::open_in(&pod)?;
    let peer = NewLink::new("eth0", LinkKind::Dummy).netns(pod.as_fd()).mtu(1400).up();
    here.add_link(&NewLink::veth_to("n0", peer).up())?;
    here.add_link(&NewLink::new("br-ex", LinkKind::Bridge))?;
    let (port, bridge) = (here.link_index("n0")?, here.link_index("br-ex")?);
    here.set_master(port, Some(bridge))?;
    ensure!(here.link("n0")?.attributes.contains(&LinkAttribute::Controller(bridge)));
    here.set_master(port, None)?;
    ensure!(!here.link("n0")?.attributes.contains(&LinkAttribute::Controller(bridge)));
    let far = there.link("eth0")?;
    ensure!(far.attributes.contains(&LinkAttribute::Mtu(1400)), "{far:?}");
    ensure!(here.link("eth0").is_err(), "the peer is in the wrong namespace");

    here.add_link(&NewLink::veth("a0", "a1"))?;
    let moved = here.link_index("a1")?;
    here.move_link(moved, &pod)?;
    ensure!(there.link("a1").is_ok() && here.link("a1").is_err(), "a1 did not move");
    Ok(())
}

fn macvlan() -> Result<()> {
    use std::os::fd::AsFd;
    let pod = other_namespace()?;
    let mut here = Netlink::open()?;
    let mut there = Netlink::open_in(&pod)?;
    here.add_link(&NewLink::new("br-ex", LinkKind::Bridge).up())?;
    let parent = here.link_index("br-ex")?;
    let kind = LinkKind::Macvlan { parent, mode: MacVlanMode::Bridge };
    match here.add_link(&NewLink::new("eth1", kind).netns(pod.as_fd())) {
        // A kernel without macvlan: only the errno can be checked.
        Err(error) if error.is(Errno::EOPNOTSUPP) => return Ok(()),
        made => made?,
    }
    let made = there.link("eth1")?;
    ensure!(made.attributes.contains(&LinkAttribute::Link(parent)), "parent: {made:?}");
    Ok(())
}

fn probe() -> Result<()> {
    let mut netlink = Netlink::open()?;
    netlink.add_link(&NewLink::new("par", LinkKind::Bridge).up())?;
    let parent = netlink.link_index("par")?;
    let kinds = [
        LinkKind::Vlan { parent, id: 100 },
        LinkKind::Ipvlan { parent, mode: netlink_packet_route::link::IpVlanMode::L2 },
        LinkKind::Dummy,
        LinkKind::Vrf { table: 10 },
        LinkKind::Plain("ifb".to_owned()),
    ];
    for kind in kinds {
        match netlink.add_link(&NewLink::new("probe0", kind.clone())) {
            Ok(()) => {
                let index = netlink.link_index("probe0")?;
                netlink.delete_link(index)?;
            }
            Err(error) => ensure!(error.is(Errno::EOPNOTSUPP), "{kind:?}: {error}"),
        }
    }
    let unknown = netlink.add_link(&NewLink::new("x0", LinkKind::Plain("no-such-kind".into())));
    ensure!(unknown.as_ref().is_err_and(|error| error.is(Errno::EOPNOTSUPP)), "{unknown:?}");
    Ok(())
}

/// A veth end that is up, with 192.168.100.10/24 and 2001:db8:100::10/64.
fn pod_interface(netlink: &mut Netlink) -> Result<u32> {
    netlink.add_link(&NewLink::veth_to("n1", NewLink::new("eth1", LinkKind::Dummy).up()).up())?;
    let index = netlink.link_index("eth1")?;
    netlink.add_address(&NewAddress::new("192.168.100.10/24".parse()?, index))?;
    netlink.add_address(&NewAddress::new("2001:db8:100::10/64".parse()?, index).no_dad())?;
    Ok(index)
}

fn addresses() -> Result<()> {
    let mut netlink = Netlink::open()?;
    let index = pod_interface(&mut netlink)?;
    let count = |netlink: &mut Netlink| -> Result<usize> {
        let listed = netlink.addresses()?;
        Ok(listed.iter().filter(|a| a.header.index == index && a.header.prefix_len == 24).count())
    };
    ensure!(count(&mut netlink)? == 1);
    let again = netlink.add_address(&NewAddress::new("192.168.100.10/24".parse()?, index));
    ensure!(again.as_ref().is_err_and(|error| error.is(Errno::EEXIST)), "{again:?}");
    netlink.delete_address("192.168.100.10/24".parse()?, index)?;
    ensure!(count(&mut netlink)? == 0);
    Ok(())
}

fn routes() -> Result<()> {
    let mut netlink = Netlink::open()?;
    let index = pod_interface(&mut netlink)?;
    let wanted = [
        NewRoute::to("10.0.0.0/8".parse()?).via("192.168.100.1".parse()?).link(index),
        NewRoute::to("0.0.0.0/0".parse()?).via("192.168.100.1".parse()?).link(index),
        NewRoute::to("203.0.113.0/24".parse()?).link(index).scope(RouteScope::Link).table(2000),
        NewRoute::to("2001:db8:2::/64".parse()?).via("2001:db8:100::1".parse()?).link(index),
    ];
    // The kernel adds the IPv6 routes of a new link later, so only IPv4 routes are counted.
    let v4 = |routes: &[RouteMessage]| {
        routes.iter().filter(|route| route.header.address_family == AddressFamily::Inet).count()
    };
    let before = v4(&netlink.routes()?);
    for route in &wanted {
        netlink.add_route(route, Add::Exclusive)?;
    }
    let listed = netlink.routes()?;
    ensure!(v4(&listed) == before + 3, "{} IPv4 routes of {before} + 3", v4(&listed));
    let find = |destination: &str, table: u32| -> Result<_> {
        let destination = destination.parse()?;
        listed
            .iter()
            .find(|r| route::destination(r) == Some(destination) && route::table(r) == table)
            .with_context(|| format!("no route to {destination} in table {table}"))
    };
    let wide = find("10.0.0.0/8", route::MAIN_TABLE)?;
    ensure!(route::gateway(wide) == Some("192.168.100.1".parse()?), "{wide:?}");
    ensure!(route::link(wide) == Some(index), "{wide:?}");
    find("203.0.113.0/24", 2000)?;
    let six = find("2001:db8:2::/64", route::MAIN_TABLE)?;
    let default = find("0.0.0.0/0", route::MAIN_TABLE)?;
    let taken = netlink.route_to("10.1.2.3".parse()?)?;
    ensure!(route::gateway(&taken) == Some("192.168.100.1".parse()?), "{taken:?}");
    for gone in [wide, six, default] {
        netlink.delete_route(gone)?;
    }
    ensure!(v4(&netlink.routes()?) == before + 1);
    let twice = netlink.delete_route(wide);
    ensure!(twice.as_ref().is_err_and(|error| error.is(Errno::ESRCH)), "{twice:?}");
    Ok(())
}

fn refusals() -> Result<()> {
    let mut netlink = Netlink::open()?;
    let index = pod_interface(&mut netlink)?;
    let off_link = NewRoute::to("10.0.0.0/8".parse()?).via("10.9.9.9".parse()?).link(index);
    let Err(error) = netlink.add_route(&off_link, Add::Exclusive) else {
        bail!("a gateway that is on no link was taken");
    };
    ensure!(error.is(Errno::ENETUNREACH), "{error}");
    let text = error.to_string();
    ensure!(text.starts_with("add route 10.0.0.0/8: network is unreachable"), "{text}");
    ensure!(text.contains("(Nexthop has invalid gateway)"), "{text}");
    // The socket works as before.
    let good = NewRoute::to("10.0.0.0/8".parse()?).via("192.168.100.1".parse()?).link(index);
    netlink.add_route(&good, Add::Exclusive)?;
    let twice = netlink.add_route(&good, Add::Exclusive);
    ensure!(twice.as_ref().is_err_and(|error| error.is(Errno::EEXIST)), "{twice:?}");
    netlink.add_route(&good, Add::Replace)?;
    Ok(())
}

fn rules() -> Result<()> {
    let mut netlink = Netlink::open()?;
    match netlink.rules() {
        // local, main and default; local and main.
        Ok(rules) => ensure!(rules.len() == 5, "{rules:?}"),
        Err(error) => ensure!(error.is(Errno::EOPNOTSUPP), "{error}"),
    }
    Ok(())
}

fn attributes() -> Result<()> {
    let mut netlink = Netlink::open()?;
    let index = pod_interface(&mut netlink)?;
    netlink.add_link(&NewLink::new("br-ex", LinkKind::Bridge).up())?;
    let bridge = netlink.link_index("br-ex")?;
    netlink.set_master(index, Some(bridge))?;
    netlink.set_bridge_port(index, vec![InfoBridgePort::HairpinMode(true)])?;
    netlink.set_mtu(index, 1400)?;
    netlink.set_mac(index, [2, 0, 0, 0, 0, 7])?;
    netlink.set_queue_length(index, 77)?;
    netlink.set_alias(index, "spare")?;
    netlink.set_flags(index, LinkFlags::Noarp, true)?;
    netlink.set_root_qdisc(index, "pfifo")?;
    let listed = netlink.links()?.into_iter().find(|listed| listed.header.index == index).context("a link")?;
    let has = |attribute: LinkAttribute| listed.attributes.contains(&attribute);
    ensure!(has(LinkAttribute::Mtu(1400)) && has(LinkAttribute::TxQueueLen(77)), "{listed:?}");
    ensure!(has(LinkAttribute::IfAlias("spare".to_owned())) && has(LinkAttribute::Qdisc("pfifo".to_owned())));
    ensure!(link::has_mac(&listed, [2, 0, 0, 0, 0, 7]) && listed.header.flags.contains(LinkFlags::Noarp));
    ensure!(listed.header.flags.contains(LinkFlags::Up), "other flags stay: {listed:?}");
    ensure!(format!("{listed:?}").contains("HairpinMode(true)"), "{listed:?}");

    let address = NewAddress::new("10.7.0.1/24".parse()?, index).scope(AddressScope::Link).no_broadcast();
    netlink.add_address(&address.label(format!("{}:7", link::name(&listed))))?;
    let added = netlink.addresses()?.into_iter().find(|listed| {
        listed.header.scope == AddressScope::Link && listed.header.index == index && listed.header.prefix_len == 24
    });
    let added = added.context("an address of scope link")?;
    ensure!(!format!("{added:?}").contains("Broadcast"), "{added:?}");

    netlink.add_route(&NewRoute::to("10.8.0.0/16".parse()?).kind(RouteType::BlackHole).metric(7), Add::Exclusive)?;
    let routes = netlink.routes()?;
    let black = routes.iter().find(|listed| listed.header.kind == RouteType::BlackHole).context("a blackhole")?;
    ensure!(black.attributes.contains(&RouteAttribute::Priority(7)), "{black:?}");

    let rule = NewRule::from("10.9.0.0/16".parse()?, 0, 100).action(RuleAction::Blackhole);
    match netlink.add_rule(&rule) {
        Ok(()) => ensure!(netlink.rules()?.iter().any(|listed| rule.is(listed)), "the rule is not listed"),
        Err(error) => ensure!(error.is(Errno::EOPNOTSUPP), "{error}"),
    }
    Ok(())
}

fn there_and_back() -> Result<()> {
    let home = namespace::current()?;
    let other = other_namespace()?;
    let inside = namespace::with_netns(&other, || namespace::same(namespace::current()?, &other))?;
    ensure!(inside, "the work ran outside");
    let failed: Result<()> = namespace::with_netns(&other, || bail!("on purpose"));
    ensure!(failed.is_err());
    ensure!(namespace::same(&home, namespace::current()?)?, "not back after an error");
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        namespace::with_netns(&other, || -> Result<()> { panic!("on purpose") })
    }));
    ensure!(caught.is_err());
    ensure!(namespace::same(&home, namespace::current()?)?, "not back after a panic");
    let file = namespace::open("/proc/self/status")?;
    let refused = namespace::enter(file);
    ensure!(refused.as_ref().is_err_and(|error| error.is(Errno::EINVAL)), "{refused:?}");
    Ok(())
}
