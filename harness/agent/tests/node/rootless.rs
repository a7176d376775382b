//! Rootless nodes: an ordinary user.

use crate::agent::{AGENT, Agent, LONG, Plugins, command};
use plumbline_core::cni::CniCommand;
use plumbline_core::plan::Bridge;
use plumbline_core::protocol::{HostProbe, Op, Outcome, Target};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// An id that owns nothing (`nobody`).
const NOBODY: &str = "65534";

/// A copy of the agent that every user can read: the build folder may be in a private home folder.
pub fn open_copy() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("plumbline-agent");
    let path = path.to_str().unwrap().to_owned();
    // Another process copies: a child of another test's thread may inherit a file that this process has open for writing,
    // and such a file cannot be started.
    assert!(command("cp").args([AGENT, &path]).status().unwrap().success());
    (folder, path)
}

/// The command line that runs the agent as an ordinary user: as this user, or as `nobody` when this user is root.
pub fn as_user(agent: &str) -> Vec<String> {
    let root = nix::unistd::geteuid().is_root();
    let drop = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--bounding-set=-all"];
    let mut line: Vec<String> = if root { drop.iter().map(ToString::to_string).collect() } else { Vec::new() };
    line.push(agent.to_owned());
    line
}

#[test]
fn a_rootless_node_runs_plugins() {
    let (_folder, agent) = open_copy();
    let plugins = Plugins::new().with("ok", r#"id -u >&2; echo '{"cniVersion": "1.0.0"}'"#);
    let mut line = as_user(&agent);
    line.extend(["node", "--cni-path", plugins.path()].map(str::to_owned));
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let mut agent = Agent::start(&line);
    let bridge = Bridge { name: "br-ex".to_owned(), ..Bridge::default() };
    assert_eq!(agent.request(Op::Bridges(vec![bridge])), Outcome::Done);
    agent.pod("p");
    let outcome = agent.add("ok");
    assert_eq!((outcome.error, outcome.calls[0].stderr.as_str()), (None, "0\n"), "root of its own namespace");
    let seen = agent.request(Op::Observe { target: Target::Pod("p".to_owned()), with_ip: true });
    let Outcome::Observed(seen) = seen else { panic!("{seen:?}") };
    assert!(seen.node_links.values().any(|name| name == "br-ex"));
    let ip = seen.ip.expect("`ip` runs there as well");
    let json = [ip.addr_json, ip.route4_json, ip.route6_json, ip.rule4_json, ip.rule6_json];
    assert!(json.iter().flatten().all(|text| text.starts_with('[')) && json[0].is_some(), "{json:?}");
    assert!(ip.transcripts[0].text.contains("lo: <LOOPBACK,UP,LOWER_UP>"), "{}", ip.transcripts[0].text);
    let config = crate::agent::chain("1.0.0", &[serde_json::json!({"type": "ok"})]);
    assert_eq!(agent.chain(CniCommand::Del, &config, LONG).error, None);
    assert_eq!(agent.end(), Some(0));
}

#[test]
fn probe_host_of_an_ordinary_user_finds_rootless_nodes() {
    let (_folder, agent) = open_copy();
    let line = as_user(&agent);
    let out = command(&line[0]).args(&line[1..]).arg("probe-host").output().unwrap();
    let probe: HostProbe = serde_json::from_slice(&out.stdout).unwrap();
    assert!(probe.private_nodes["rootless"].there, "{:?}", probe.private_nodes);
    assert!(
        !probe.private_nodes["rootful"].there && probe.private_nodes["rootful"].seen.contains("not root"),
        "{:?}",
        probe.private_nodes
    );
    assert!(probe.links["bridge"].there, "{:?}", probe.links);
    assert_eq!(out.status.code(), Some(0));
}

#[test]
fn refused_privileges_end_with_the_cause_and_exit_code_3() {
    let (_folder, agent) = open_copy();
    let line = as_user(&agent);
    let out = command(&line[0]).args(&line[1..]).args(["node", "--privileges", "rootful"]).output().unwrap();
    assert_eq!(out.status.code(), Some(3));
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains("make a private node") && text.contains("rootful: not root"), "{text}");
}

/// A limit of 0 is set in a new user namespace, where it changes nothing for other programs.
#[test]
fn a_host_without_user_namespaces_is_named_with_its_fix() {
    let (_folder, agent) = open_copy();
    let script = format!("echo 0 > /proc/sys/user/max_user_namespaces; exec {agent} node --privileges rootless");
    let out = command("unshare").args(["--user", "--map-root-user", "sh", "-c", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(3), "{text}");
    assert!(text.contains("allows no user namespaces") && text.contains("max_user_namespaces=15000"), "{text}");
}
