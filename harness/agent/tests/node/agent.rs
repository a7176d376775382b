//! A client of an agent, and plugins that are shell scripts.

use plumbline_core::cni::{ChainOutcome, CniCommand};
use plumbline_core::protocol::{CniRequest, Op, Outcome, Reply, Request, Target};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any call takes on a loaded machine: a test that reaches it has failed.
pub const LONG: Duration = Duration::from_secs(60);

/// The agent under test.
pub const AGENT: &str = env!("CARGO_BIN_EXE_plumbline-agent");

/// An agent's process and its connection.
pub struct Agent {
    pub child: Child,
    pub input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    last: u64,
}

impl Agent {
    /// A private node with these plugins.
    pub fn node(plugins: &Plugins) -> Self {
        Self::start(&[AGENT, "node", "--cni-path", plugins.path()])
    }

    /// Any command line.
    pub fn start(argv: &[&str]) -> Self {
        let mut child = command(argv[0])
            .args(&argv[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the agent starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output, last: 0 }
    }

    /// Sends a request without reading its reply.
    pub fn send(&mut self, op: Op) {
        self.last += 1;
        let line = serde_json::to_string(&Request { id: self.last, op }).expect("a request");
        writeln!(self.input.as_mut().expect("standard input is open"), "{line}").expect("sent");
    }

    /// Sends a request and reads its reply.
    pub fn request(&mut self, op: Op) -> Outcome {
        self.send(op);
        self.read_reply()
    }

    /// Reads the reply to a line that the test wrote itself as the next request.
    pub fn read_next_reply(&mut self) -> Outcome {
        self.last += 1;
        self.read_reply()
    }

    /// Reads the reply to the last request.
    pub fn read_reply(&mut self) -> Outcome {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a reply");
        let reply: Reply = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert_eq!(reply.id, self.last, "{:?}", reply.outcome);
        reply.outcome
    }

    /// Creates a pod on the first node.
    pub fn pod(&mut self, name: &str) {
        let made = self.request(Op::PodAdd { name: name.to_owned(), node: 1 });
        assert!(matches!(made, Outcome::Netns { .. }), "{made:?}");
    }

    /// Runs a chain of these plugins in pod `p`, each call with the deadline given.
    pub fn chain(&mut self, command: CniCommand, config: &Value, deadline: Duration) -> ChainOutcome {
        match self.request(Op::Cni(request(command, config, deadline))) {
            Outcome::Chain(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// ADD of a chain of one plugin of this type.
    pub fn add(&mut self, plugin: &str) -> ChainOutcome {
        self.chain(CniCommand::Add, &chain("1.0.0", &[json!({"type": plugin})]), LONG)
    }

    /// Runs a program on the node: exit code and standard output.
    pub fn run(&mut self, argv: &[&str]) -> (Option<i32>, String) {
        let argv = argv.iter().map(ToString::to_string).collect();
        match self.request(Op::Exec { target: Target::Node, argv, deadline_ms: 60_000 }) {
            Outcome::Ran { code, stdout, .. } => (code, stdout),
            other => panic!("{other:?}"),
        }
    }

    /// Hangs up and waits for the end.
    pub fn end(mut self) -> Option<i32> {
        self.input = None;
        self.child.wait().expect("its end").code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request for pod `p`.
pub fn request(command: CniCommand, config: &Value, deadline: Duration) -> CniRequest {
    CniRequest {
        command,
        pod: "p".to_owned(),
        container_id: "c1".to_owned(),
        ifname: "eth1".to_owned(),
        config: config.to_string(),
        capability_args: BTreeMap::new(),
        cni_args: vec![("K8S_POD_NAME".to_owned(), "p".to_owned())],
        args_cni: None,
        deadline_ms: u64::try_from(deadline.as_millis()).expect("a short time"),
        with_state: false,
    }
}

/// A list of plugins.
pub fn chain(version: &str, plugins: &[Value]) -> Value {
    json!({"cniVersion": version, "name": "net", "plugins": plugins})
}

/// A folder of plugins that are shell scripts, readable for all users.
pub struct Plugins(TempDir);

impl Plugins {
    /// An empty folder.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        Self(folder)
    }

    /// Adds a script.
    pub fn with(self, name: &str, body: &str) -> Self {
        std::fs::write(self.file(name), format!("#!/bin/sh\n{body}\n")).expect("written");
        std::fs::set_permissions(self.file(name), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        self
    }

    /// The path of a script.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The folder.
    pub fn path(&self) -> &str {
        self.0.path().to_str().expect("a plain path")
    }
}

/// A command to build: the only call of `Command::new` in these tests.
#[expect(clippy::disallowed_methods, reason = "the agent does not link plumbline-testbed")]
pub fn command(program: &str) -> Command {
    Command::new(program)
}

/// The host's ids of a process's children.
pub fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Whether a process has ended; one that is not reaped yet counts.
pub fn is_gone(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X'])),
        Err(_) => !Path::new(&format!("/proc/{pid}")).exists(),
    }
}

/// Checks every few milliseconds until the condition holds; the panic names it.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "waited {LONG:?} for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
