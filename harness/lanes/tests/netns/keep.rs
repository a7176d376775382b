//! Nodes kept after the run (`--keep`).

use crate::testbed::{chain, context, macvlan, open, plan};
use plumbline_lanes::context::{Keep, Options};
use plumbline_testbed::exec::Cmd;

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_node_can_be_entered_and_ends_with_its_agent() {
    let cx = context(Options { keep: Keep::Always, ..Options::default() });
    let lane = open(&cx).await;
    let network = chain("net", &[macvlan("192.168.100.10/24")]);
    let staged = lane.stage(&cx, &plan(&[("net", network)])).await.unwrap();
    let commands = staged.entry_commands();
    // A kept scenario is dropped without `close`.
    drop(staged);
    let targets: Vec<&str> = commands.iter().map(|entry| entry.target.as_str()).collect();
    assert_eq!(targets, ["the node", "pod chain-test-pod"]);
    let entered = Cmd::new("sh").args(["-c", &format!("echo ip a | {}", commands[1].command)]).run_ok().await.unwrap();
    assert!(entered.stdout.contains("192.168.100.10/24"), "{}", entered.stdout);

    let init = commands[0].command.split_whitespace().nth(2).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{init}/status")).unwrap();
    let outer = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
    Cmd::new("kill").args(["-KILL", outer]).run_ok().await.unwrap();
    let gone = Cmd::new("sh").args(["-c", &format!("timeout 10 tail --pid={init} -f /dev/null")]).run().await.unwrap();
    assert!(gone.ok(), "PID 1 of the node ends with its agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_kept_only_on_failure_ends_when_it_is_closed() {
    let cx = context(Options { keep: Keep::OnFailure, ..Options::default() });
    let lane = open(&cx).await;
    let staged = lane.stage(&cx, &plan(&[])).await.unwrap();
    let init = staged.entry_commands()[0].command.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(staged.close().await.lines(), Vec::<String>::new());
    let gone = Cmd::new("sh").args(["-c", &format!("timeout 10 tail --pid={init} -f /dev/null")]).run().await.unwrap();
    assert!(gone.ok(), "PID 1 of the node has ended");
}
