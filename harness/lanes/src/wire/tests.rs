use super::*;
use futures::FutureExt;
use plumbline_core::plan::Protocol;
use plumbline_core::wire::{
    Capture, CaptureResult, Listener, ListenerResult, Probe, ProbeAction as What, ProbeEnd, ProbeResult, Script, Tap,
};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Changes an answer of an agent.
type Edit = fn(usize, Outcome) -> Result<Outcome, TestbedError>;

/// Ids of captures and of listeners.
type Ids = (Vec<String>, Vec<String>);

/// Agents that record their calls. Each answer is correct, then `edit` changes it.
struct Fake {
    calls: Mutex<Vec<(usize, &'static str, Duration)>>,
    edit: Edit,
    open: Mutex<BTreeMap<usize, Ids>>,
}

impl Fake {
    fn new(edit: Edit) -> Self {
        Self { calls: Mutex::default(), edit, open: Mutex::default() }
    }

    fn calls(&self) -> Vec<(usize, &'static str)> {
        self.calls.lock().unwrap().iter().map(|(agent, op, _)| (*agent, *op)).collect()
    }

    fn perform(&self, agent: usize, op: Op) -> (&'static str, Outcome) {
        match op {
            Op::WireOpen { listeners, captures } => {
                let ids = (
                    captures.into_iter().map(|(_, one)| one.id).collect(),
                    listeners.into_iter().map(|(_, one)| one.id).collect(),
                );
                self.open.lock().unwrap().insert(agent, ids);
                ("open", Outcome::Done)
            }
            Op::WireProbe(probes) => {
                let end = ProbeEnd::Answered { by: ANY, mac: None, saw: None };
                let seen = |id| ProbeResult { id, sent: 1, end: end.clone(), took_us: 1 };
                ("probe", Outcome::Probes(probes.into_iter().map(|(_, one)| seen(one.id)).collect()))
            }
            Op::WireClose => {
                let (captures, listeners) = self.open.lock().unwrap().remove(&agent).unwrap_or_default();
                let capture = |id| CaptureResult { id, interface: "eth1".into(), frames: vec![], dropped: 0 };
                let listener = |id| ListenerResult { id, alive: true, from: vec![] };
                let captures = captures.into_iter().map(capture).collect();
                let listeners = listeners.into_iter().map(listener).collect();
                ("close", Outcome::WireObservation { captures, listeners })
            }
            other => panic!("not of the wire: {other:?}"),
        }
    }
}

impl ProbeEndpoints for Fake {
    fn locate(&self, party: &ProbeEndpoint) -> Result<(usize, Target), TestbedError> {
        match party {
            ProbeEndpoint::Pod(name) => Ok((1, Target::Pod(name.clone()))),
            ProbeEndpoint::Host(name) if name == "gw" => Ok((2, Target::Host(name.clone()))),
            ProbeEndpoint::Host(name) => Err(TestbedError::new("locate", format!("no host {name}"))),
            ProbeEndpoint::Node(number) => Ok((1, Target::NodeAt(*number))),
        }
    }

    fn call(&self, agent: usize, op: Op, deadline: Duration) -> BoxFuture<'_, Result<Outcome, TestbedError>> {
        let (name, outcome) = self.perform(agent, op);
        self.calls.lock().unwrap().push((agent, name, deadline));
        let edited = (self.edit)(agent, outcome);
        // Calls run side by side: each answer comes after all agents were called.
        async move {
            tokio::task::yield_now().await;
            edited
        }
        .boxed()
    }
}

fn unchanged(_: usize, outcome: Outcome) -> Result<Outcome, TestbedError> {
    Ok(outcome)
}

fn pod() -> ProbeEndpoint {
    ProbeEndpoint::Pod("p".into())
}

fn host() -> ProbeEndpoint {
    ProbeEndpoint::Host("gw".into())
}

fn capture(id: &str) -> Capture {
    Capture { id: id.into(), interface: Tap::Name("eth1".into()), addresses: vec![] }
}

fn request(id: &str, window_ms: u64, times: u32) -> Probe {
    let what = What::Request { by: Protocol::Icmp, to: ANY, port: None, from: None, dev: None, times };
    Probe { id: id.into(), what, window_ms }
}

/// A pod with two probes and a capture, a host with a listener and a capture.
fn script() -> Script {
    Script {
        listeners: vec![(host(), Listener { id: "l".into(), protocol: Protocol::Udp, address: ANY, port: 5000 })],
        captures: vec![(host(), capture("far")), (pod(), capture("near"))],
        probes: vec![(pod(), request("b", 300, 3)), (pod(), request("a", 500, 0))],
    }
}

#[tokio::test]
async fn all_agents_open_before_any_sends_and_all_send_before_any_closes() {
    let fake = Fake::new(unchanged);
    let results = run_script(&script(), &fake).await.unwrap();
    assert_eq!(fake.calls(), [(1, "open"), (2, "open"), (1, "probe"), (1, "close"), (2, "close")]);
    let ids = |results: &ProbeResults| results.probes.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&results), ["b", "a"], "in the script's order");
    assert_eq!(results.captures.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["far", "near"]);
    assert_eq!(results.listeners.len(), 1);
}

#[tokio::test]
async fn the_deadline_includes_all_attempts_of_the_longest_probe() {
    let fake = Fake::new(unchanged);
    run_script(&script(), &fake).await.unwrap();
    let deadline = fake.calls.lock().unwrap().iter().find(|(_, op, _)| *op == "probe").unwrap().2;
    assert_eq!(deadline, MARGIN + Duration::from_millis(900));
}

#[tokio::test]
async fn an_agent_with_nothing_to_open_only_sends() {
    let fake = Fake::new(unchanged);
    let alone = Script { probes: script().probes, ..Script::default() };
    run_script(&alone, &fake).await.unwrap();
    assert_eq!(fake.calls(), [(1, "probe")]);
    run_script(&Script::default(), &Fake::new(unchanged)).await.unwrap();
}

#[tokio::test]
async fn opened_agents_are_closed_after_a_failed_open_and_the_first_error_is_returned() {
    let fake = Fake::new(|agent, outcome| match (agent, outcome) {
        (2, Outcome::Done) => Err(TestbedError::new("listen", "port 5000 is taken")),
        (2, Outcome::WireObservation { .. }) => Err(TestbedError::new("close", "nothing is open")),
        (_, outcome) => Ok(outcome),
    });
    let error = run_script(&script(), &fake).await.unwrap_err();
    assert_eq!(error.cause(), "port 5000 is taken");
    assert_eq!(fake.calls(), [(1, "open"), (2, "open"), (1, "close"), (2, "close")], "nothing is sent");
}

#[tokio::test]
async fn opened_agents_are_closed_after_a_failed_send() {
    let fake = Fake::new(|_, outcome| match outcome {
        Outcome::Probes(_) => Err(TestbedError::new("send", "the agent ended")),
        outcome => Ok(outcome),
    });
    assert_eq!(run_script(&script(), &fake).await.unwrap_err().cause(), "the agent ended");
    assert_eq!(fake.calls().iter().filter(|(_, op)| *op == "close").count(), 2);
}

#[tokio::test]
async fn an_incomplete_answer_is_an_error() {
    let edits: [(Edit, &str); 4] = [
        (
            |_, outcome| match outcome {
                Outcome::Probes(seen) => Ok(Outcome::Probes(seen[..1].to_vec())),
                outcome => Ok(outcome),
            },
            "probe ids in",
        ),
        (
            |agent, outcome| match outcome {
                Outcome::WireObservation { listeners, .. } if agent == 1 => {
                    Ok(Outcome::WireObservation { captures: vec![], listeners })
                }
                outcome => Ok(outcome),
            },
            "capture ids in",
        ),
        (
            |agent, outcome| match outcome {
                Outcome::WireObservation { captures, .. } if agent == 2 => {
                    Ok(Outcome::WireObservation { captures, listeners: vec![] })
                }
                outcome => Ok(outcome),
            },
            "listener ids in",
        ),
        (|_, _| Ok(Outcome::Hello { protocol: 2, version: String::new() }), "an answer of another kind"),
    ];
    for (edit, words) in edits {
        let error = run_script(&script(), &Fake::new(edit)).await.unwrap_err();
        assert!(error.cause().contains(words), "{}", error.cause());
    }
}

#[tokio::test]
async fn repeated_ids_and_unknown_endpoints_are_refused() {
    let mut twice = script();
    twice.probes.push((pod(), request("a", 1, 1)));
    assert!(run_script(&twice, &Fake::new(unchanged)).await.unwrap_err().cause().contains("have the id a"));

    let mut unknown = script();
    unknown.captures.push((ProbeEndpoint::Host("absent".into()), capture("c")));
    let fake = Fake::new(unchanged);
    assert_eq!(run_script(&unknown, &fake).await.unwrap_err().cause(), "no host absent");
    assert_eq!(fake.calls(), [], "no agent was called");
}

#[tokio::test]
async fn slow_controls_widen_the_window() {
    let request = |id: &str| Probe {
        id: id.into(),
        what: What::Control { interface: Tap::Name("eth1".into()), tags: vec![], priority: 0 },
        window_ms: 1000,
    };
    let pod = || ProbeEndpoint::Pod("a".into());
    let script = Script { probes: vec![(pod(), request("q")), (pod(), request("q/sender"))], ..Script::default() };
    let slow: Edit = |_, outcome| {
        Ok(match outcome {
            Outcome::Probes(seen) => {
                Outcome::Probes(seen.into_iter().map(|seen| ProbeResult { took_us: 150_000, ..seen }).collect())
            }
            other => other,
        })
    };
    let fake = Fake::new(slow);
    let seen = run_with_wider_windows(script, &fake, |script| Ok(script.clone())).await.unwrap();
    assert_eq!(seen.script.probes[0].1.window_ms, 3000, "the observation has the script with the wider window");
    assert_eq!(fake.calls().iter().filter(|(_, op)| *op == "probe").count(), 2);
}
