//! Nodes that are kept to be looked at.

use crate::testbed::{chain, context, macvlan, open, plan};
use plumbline_lanes::context::{Keep, Options};
use plumbline_testbed::exec::Cmd;

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_node_can_be_entered_by_its_doors_and_goes_when_its_agent_is_killed() {
    let cx = context(Options { keep: Keep::Always, ..Options::default() });
    let lane = open(&cx).await;
    let network = chain("net", &[macvlan("192.168.100.10/24")]);
    let scene = lane.stage(&cx, &plan(&[("net", network)])).await.unwrap();
    let doors = scene.entry_commands();
    // What happens to a scene that is kept: nobody closes it.
    drop(scene);
    let targets: Vec<&str> = doors.iter().map(|door| door.target.as_str()).collect();
    assert_eq!(targets, ["the node", "pod client"]);
    let entered = Cmd::new("sh").args(["-c", &format!("echo ip a | {}", doors[1].command)]).run_ok().await.unwrap();
    assert!(entered.stdout.contains("192.168.100.10/24"), "{}", entered.stdout);

    let init = doors[0].command.split_whitespace().nth(2).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{init}/status")).unwrap();
    let outer = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
    Cmd::new("kill").args(["-KILL", outer]).run_ok().await.unwrap();
    let gone = Cmd::new("sh").args(["-c", &format!("timeout 10 tail --pid={init} -f /dev/null")]).run().await.unwrap();
    assert!(gone.ok(), "PID 1 of the node goes with its agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_might_have_been_kept_goes_when_it_is_closed() {
    let cx = context(Options { keep: Keep::OnFailure, ..Options::default() });
    let lane = open(&cx).await;
    let scene = lane.stage(&cx, &plan(&[])).await.unwrap();
    let init = scene.entry_commands()[0].command.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(scene.close().await.lines(), Vec::<String>::new());
    let gone = Cmd::new("sh").args(["-c", &format!("timeout 10 tail --pid={init} -f /dev/null")]).run().await.unwrap();
    assert!(gone.ok(), "PID 1 of the node is gone");
}
