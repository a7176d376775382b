//! A chain: ADD and CHECK forward, DEL backward (specification, sections 2 and 3; `libcni/api.go`).

use plumbline_core::cni::{ChainError, ChainOutcome, CniCommand};
use plumbline_core::protocol::CniRequest;
use serde_json::Value;

use super::call::{Call, PluginContext};
use super::config::{ConfigError, NetworkConfig, RuntimeValues, check_interface_name, check_name, is_at_least};
use crate::error::{During, RequestError};
use crate::namespaces::named::pod_path;
use crate::runtime::result_cache::{read_result, remove_result, write_result};
use crate::state::StateReader;

/// Results are cached and passed to CHECK and DEL since this version.
const CACHED_SINCE: &str = "0.4.0";

/// Runs a chain. A chain that fails is an outcome, not a fault.
///
/// # Errors
/// A fault when the cache cannot be used; the lane hung up.
pub fn run_chain(request: &CniRequest, context: PluginContext) -> Result<ChainOutcome, RequestError> {
    let netns = pod_path(&request.pod)?.display().to_string();
    let outcome = ChainOutcome { result: None, error: None, calls: Vec::new(), before: None };
    let config = match parse_request(request) {
        Ok(config) => config,
        Err(error) => return Ok(ChainOutcome { error: Some(chain_error(error.to_string())), ..outcome }),
    };
    let node = context.nodes.node_of(&request.pod);
    let mut run = ChainRun { config: &config, request, netns: &netns, node, context, outcome };
    run.read_before()?;
    match request.command {
        CniCommand::Add => run.add()?,
        CniCommand::Check => run.check()?,
        CniCommand::Del => run.del()?,
    }
    Ok(run.outcome)
}

/// Parses the configuration and checks what libcni checks before it calls any plugin.
fn parse_request(request: &CniRequest) -> Result<NetworkConfig, ConfigError> {
    let config = NetworkConfig::parse(&request.config)?;
    check_name("container id", &request.container_id)?;
    check_interface_name(&request.ifname)?;
    Ok(config)
}

/// An error that no single plugin caused.
fn chain_error(message: String) -> ChainError {
    ChainError { position: None, plugin: None, cni: None, message }
}

/// One chain in progress.
struct ChainRun<'a> {
    config: &'a NetworkConfig,
    request: &'a CniRequest,
    netns: &'a str,
    node: usize,
    context: PluginContext<'a>,
    outcome: ChainOutcome,
}

impl ChainRun<'_> {
    /// Reads the state before the first call, if the request wants it.
    fn read_before(&mut self) -> Result<(), RequestError> {
        if !self.request.with_state {
            return Ok(());
        }
        let PluginContext { nodes, processes, states, .. } = &mut self.context;
        if states.as_ref().is_none_or(|reader| reader.pod != self.request.pod) {
            // The one before is closed first: it holds many open files.
            **states = None;
            **states = Some(StateReader::open(&self.request.pod, nodes)?);
        }
        if let Some(reader) = states.as_mut() {
            self.outcome.before = Some(reader.read_before(nodes, processes)?);
        }
        Ok(())
    }

    fn add(&mut self) -> Result<(), RequestError> {
        let mut result: Option<Value> = None;
        for position in 0..self.config.plugins.len() {
            // A failure is not rolled back here: the runtime does that with DEL.
            if !self.call(position, result.as_ref())? {
                return Ok(());
            }
            let stdout = self.outcome.calls.last().map_or("", |call| call.stdout.as_str());
            let printed = serde_json::from_str(stdout).ok();
            result = printed.map(|printed| with_version(printed, &self.config.version));
        }
        if let Some(result) = &result {
            self.context.nodes.run_on_node(self.node, || {
                write_result(&self.config.name, self.request, self.netns, result).during("cache a result")
            })?;
        }
        self.outcome.result = result;
        Ok(())
    }

    fn check(&mut self) -> Result<(), RequestError> {
        if !is_at_least(&self.config.version, CACHED_SINCE) {
            let (name, version) = (&self.config.name, &self.config.version);
            let message = format!("network {name}: version: expected 0.4.0 or newer for CHECK, found {version:?}");
            self.outcome.error = Some(chain_error(message));
            return Ok(());
        }
        if self.config.disable_check {
            return Ok(());
        }
        let cached = self.read_cached()?;
        for position in 0..self.config.plugins.len() {
            if !self.call(position, cached.as_ref())? {
                break;
            }
        }
        Ok(())
    }

    fn del(&mut self) -> Result<(), RequestError> {
        let cached = match is_at_least(&self.config.version, CACHED_SINCE) {
            true => self.read_cached()?,
            false => None,
        };
        for position in (0..self.config.plugins.len()).rev() {
            if !self.call(position, cached.as_ref())? {
                return Ok(());
            }
        }
        self.context
            .nodes
            .run_on_node(self.node, || remove_result(&self.config.name, self.request).during("remove a cached result"))
    }

    /// Calls one plugin; returns whether it succeeded.
    fn call(&mut self, position: usize, prev_result: Option<&Value>) -> Result<bool, RequestError> {
        let values = RuntimeValues {
            prev_result,
            capability_args: self.request.capability_args.clone(),
            args_cni: self.request.args_cni.as_ref(),
        };
        let stdin = self.config.plugin_config(position, &values);
        let call =
            Call { config: self.config, position, node: self.node, request: self.request, netns: self.netns, stdin };
        let (mut record, error) = call.run(&mut self.context)?;
        if let Some(states) = self.context.states.as_mut().filter(|_| self.request.with_state) {
            record.changes = Some(states.read_changes(self.context.nodes, self.context.processes)?);
        }
        self.outcome.calls.push(record);
        self.outcome.error = error;
        Ok(self.outcome.error.is_none())
    }

    fn read_cached(&self) -> Result<Option<Value>, RequestError> {
        self.context
            .nodes
            .run_on_node(self.node, || read_result(&self.config.name, self.request).during("read a cached result"))
    }
}

/// A result without a version gets that of the network (`pkg/invoke/exec.go`, `fixupResultVersion`).
fn with_version(mut result: Value, version: &str) -> Value {
    if let Value::Object(keys) = &mut result {
        let written = keys.get("cniVersion").and_then(Value::as_str).unwrap_or_default();
        if written.is_empty() {
            keys.insert("cniVersion".to_owned(), Value::from(version));
        }
    }
    result
}
