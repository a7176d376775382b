//! The agent leaves the host unchanged, however it ends.

use crate::agent::{Agent, LONG, Plugins, children, is_gone, wait_until};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumbline_core::plan::Bridge;
use plumbline_core::protocol::{Op, Outcome, Target};
use std::time::Duration;

/// The state of the host: mounts, links, and files in folders that a node has of its own.
#[derive(Debug, PartialEq)]
struct HostState {
    mounts: String,
    links: Vec<String>,
    files: Vec<String>,
}

impl HostState {
    /// Reads it in the namespaces of this thread.
    fn read() -> Self {
        let names = |folder: &str| -> Vec<String> {
            let listed = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            let mut names: Vec<String> = listed.map(|entry| entry.path().display().to_string()).collect();
            names.sort();
            names
        };
        let links = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        Self {
            mounts: std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap(),
            links: links
                .lines()
                .skip(2)
                .filter_map(|line| line.split(':').next())
                .map(|name| name.trim().to_owned())
                .collect(),
            files: ["/run/netns", "/var/lib/cni", "/run/cni", "/opt/cni", "/etc/cni"]
                .iter()
                .flat_map(|one| names(one))
                .collect(),
        }
    }
}

/// As root, moves this thread to a copy of the host's mounts and to a new network namespace, so that changes by other
/// programs do not matter. The mounts stay shared, as on a host, so that a leak is visible.
fn isolate_thread() {
    if unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).is_ok() {
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>)
            .expect("shared mounts");
    }
}

fn node_with_pod(plugins: &Plugins) -> Agent {
    let mut agent = Agent::node(plugins);
    let made = agent.request(Op::Bridges(vec![Bridge {
        name: "br-ex".to_owned(),
        addresses: vec!["10.9.0.1/24".parse().unwrap()],
        ..Bridge::default()
    }]));
    assert_eq!(made, Outcome::Done);
    agent.pod("p");
    agent
}

fn hanging_plugin() -> Plugins {
    Plugins::new().with("hangs", "tail -f /dev/null")
}

/// Starts a plugin that hangs; returns the host's ids of PID 1 and of the plugin.
fn start_hanging_plugin(agent: &mut Agent) -> [u32; 2] {
    let config = crate::agent::chain("1.0.0", &[serde_json::json!({"type": "hangs"})]);
    agent.send(Op::Cni(crate::agent::request(plumbline_core::cni::CniCommand::Add, &config, LONG)));
    let outer = agent.child.id();
    let mut found = None;
    wait_until("the plugin to hang", || {
        found = children(outer).first().and_then(|init| Some([*init, *children(*init).first()?]));
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_node_leaves_the_host_unchanged() {
    isolate_thread();
    let before = HostState::read();
    let plugins =
        Plugins::new().with("ok", r#"ip link add left0 type veth peer name left1; echo '{"cniVersion": "1.0.0"}'"#);
    let mut agent = node_with_pod(&plugins);
    assert_eq!(agent.add("ok").error, None);
    let init = children(agent.child.id())[0];
    assert_eq!(agent.end(), Some(0));
    assert!(is_gone(init));
    assert_eq!(HostState::read(), before);
}

#[test]
fn killing_the_agent_during_a_plugin_ends_everything() {
    isolate_thread();
    let before = HostState::read();
    let plugins = hanging_plugin();
    let mut agent = node_with_pod(&plugins);
    let [init, plugin] = start_hanging_plugin(&mut agent);
    agent.child.kill().unwrap();
    agent.child.wait().unwrap();
    wait_until("PID 1 and the plugin to be gone", || is_gone(init) && is_gone(plugin));
    assert_eq!(HostState::read(), before);
}

#[test]
fn killing_pid_1_of_the_node_ends_everything_and_the_agent_fails() {
    isolate_thread();
    let before = HostState::read();
    let plugins = hanging_plugin();
    let mut agent = node_with_pod(&plugins);
    let [init, plugin] = start_hanging_plugin(&mut agent);
    kill(Pid::from_raw(init.cast_signed()), Signal::SIGKILL).unwrap();
    assert_eq!(agent.child.wait().unwrap().code(), Some(5));
    wait_until("the plugin to be gone", || is_gone(plugin));
    assert_eq!(HostState::read(), before);
}

#[test]
fn a_lane_that_hangs_up_during_a_plugin_ends_everything() {
    isolate_thread();
    let before = HostState::read();
    let plugins = hanging_plugin();
    let mut agent = node_with_pod(&plugins);
    let [init, plugin] = start_hanging_plugin(&mut agent);
    // As when the lane is killed: its end of the pipe is closed.
    agent.input = None;
    wait_until("the agent to end", || agent.child.try_wait().unwrap().is_some());
    assert!(is_gone(init));
    wait_until("the plugin to be gone", || is_gone(plugin));
    assert_eq!(HostState::read(), before);
}

#[test]
fn a_node_that_stays_runs_until_it_is_killed() {
    let plugins = Plugins::new();
    let mut agent = node_with_pod(&plugins);
    assert_eq!(agent.request(Op::Stay), Outcome::Done);
    let init = children(agent.child.id())[0];
    agent.input = None;
    std::thread::park_timeout(Duration::from_millis(200));
    assert!(agent.child.try_wait().unwrap().is_none() && !is_gone(init), "it stays");
    agent.child.kill().unwrap();
    wait_until("PID 1 to be gone", || is_gone(init));
}

#[test]
fn nodes_with_the_same_names_are_independent() {
    let plugins = Plugins::new();
    let mut nodes: Vec<Agent> = (0..20).map(|_| node_with_pod(&plugins)).collect();
    for (number, node) in nodes.iter_mut().enumerate() {
        // A change of one bridge must not change another.
        assert_eq!(node.run(&["ip", "link", "set", "br-ex", "mtu", &format!("{}", 1000 + number)]).0, Some(0));
    }
    for (number, node) in nodes.iter_mut().enumerate() {
        let Outcome::Observed(seen) = node.request(Op::Observe { target: Target::Node, with_ip: false }) else {
            panic!("nothing seen")
        };
        let bridge = seen.kernel.links.iter().find(|link| link.name == "br-ex").unwrap();
        assert_eq!(usize::try_from(bridge.mtu).unwrap(), 1000 + number);
        assert_eq!(bridge.addresses[0].address.to_string(), "10.9.0.1/24");
    }
}

#[test]
fn the_node_has_a_root_of_its_own() {
    let plugins = Plugins::new();
    let mut agent = node_with_pod(&plugins);
    for path in ["/usr/made", "/etc/made", "/opt/cni/path/0/made"] {
        let (code, _) = agent.run(&["touch", path]);
        if path.starts_with("/etc") {
            // The folder is the node's own; the host's names in it are links into a read-only mount.
            assert_eq!(code, Some(0));
            assert_eq!(agent.run(&["touch", "/etc/passwd"]).0, Some(1));
        } else {
            assert_eq!(code, Some(1), "{path} is read-only");
        }
    }
    assert!(!std::path::Path::new("/etc/made").exists());
    let (_, processes) = agent.run(&["sh", "-c", "echo $$ /proc/[0-9]*"]);
    assert!(processes.split(' ').count() <= 4, "only the agent and the shell: {processes}");
    let Outcome::File { names: Some(names), .. } = agent.request(Op::Read { path: "/run/netns".to_owned() }) else {
        panic!("no folder")
    };
    assert_eq!(names, ["p"]);
}
