//! A chain: ADD and CHECK forward, DEL backward (spec, sections 2 and 3; `libcni/api.go`).

use plumbline_core::cni::{ChainError, ChainOutcome, CniCommand};
use plumbline_core::protocol::CniRequest;
use serde_json::Value;

use super::cache;
use super::call::Call;
use super::config::{Injected, NetworkConfig};
use super::names::{at_least, interface_trouble, is_name};
use crate::place::{Place, pod_path};
use crate::trouble::{Doing, Trouble};

/// Results are cached and handed to CHECK and DEL from this version on.
const CACHED_SINCE: &str = "0.4.0";

/// Runs a chain as asked. A chain that fails is an outcome, no fault.
///
/// # Errors
/// A fault on a node that is not private, or when the cache can't be used; the end of the talk.
pub fn run(request: &CniRequest, place: &mut Place) -> Result<ChainOutcome, Trouble> {
    place.private("run a chain")?;
    let netns = pod_path(&request.pod)?.display().to_string();
    let mut outcome = ChainOutcome { result: None, error: None, calls: Vec::new() };
    let config = match NetworkConfig::read(&request.config).and_then(|config| allowed(config, request)) {
        Ok(config) => config,
        Err(message) => {
            outcome.error = Some(ChainError { position: None, plugin: None, cni: None, message });
            return Ok(outcome);
        }
    };
    match request.command {
        CniCommand::Add => add(&config, request, &netns, place, &mut outcome)?,
        CniCommand::Check => check(&config, request, &netns, place, &mut outcome)?,
        CniCommand::Del => del(&config, request, &netns, place, &mut outcome)?,
    }
    Ok(outcome)
}

/// What libcni refuses before any plugin is called.
fn allowed(config: NetworkConfig, request: &CniRequest) -> Result<NetworkConfig, String> {
    if !is_name(&request.container_id) {
        return Err(format!(
            "container id {:?} is refused: it wants a letter or digit, then also _ . -",
            request.container_id
        ));
    }
    interface_trouble(&request.ifname).map_or(Ok(config), Err)
}

fn add(
    config: &NetworkConfig,
    request: &CniRequest,
    netns: &str,
    place: &mut Place,
    outcome: &mut ChainOutcome,
) -> Result<(), Trouble> {
    let node = place.bed.node_of(&request.pod);
    let mut result: Option<Value> = None;
    for position in 0..config.plugins.len() {
        let stdin = config.for_plugin(position, &injected(request, result.as_ref()));
        let (call, error) = Call { config, position, node, request, netns, stdin }.make(place)?;
        let printed = serde_json::from_str(&call.stdout).ok();
        outcome.calls.push(call);
        // Nothing is rolled back here: that is the runtime's part, which then gives DEL.
        if error.is_some() {
            outcome.error = error;
            return Ok(());
        }
        result = printed.map(|printed| with_version(printed, &config.version));
    }
    if let Some(result) = &result {
        place.bed.on(node, || cache::keep(config, request, netns, result).doing("cache a result"))?;
    }
    outcome.result = result;
    Ok(())
}

fn check(
    config: &NetworkConfig,
    request: &CniRequest,
    netns: &str,
    place: &mut Place,
    outcome: &mut ChainOutcome,
) -> Result<(), Trouble> {
    if !at_least(&config.version, CACHED_SINCE) {
        let message = format!(
            "network {} is of version {:?}, which knows no CHECK (0.4.0 and later do)",
            config.name, config.version
        );
        outcome.error = Some(ChainError { position: None, plugin: None, cni: None, message });
        return Ok(());
    }
    if config.disable_check {
        return Ok(());
    }
    let node = place.bed.node_of(&request.pod);
    let kept = place.bed.on(node, || cache::find(&config.name, request).doing("find a cached result"))?;
    for position in 0..config.plugins.len() {
        let stdin = config.for_plugin(position, &injected(request, kept.as_ref()));
        let (call, error) = Call { config, position, node, request, netns, stdin }.make(place)?;
        outcome.calls.push(call);
        if error.is_some() {
            outcome.error = error;
            break;
        }
    }
    Ok(())
}

fn del(
    config: &NetworkConfig,
    request: &CniRequest,
    netns: &str,
    place: &mut Place,
    outcome: &mut ChainOutcome,
) -> Result<(), Trouble> {
    let node = place.bed.node_of(&request.pod);
    let kept = match at_least(&config.version, CACHED_SINCE) {
        true => place.bed.on(node, || cache::find(&config.name, request).doing("find a cached result"))?,
        false => None,
    };
    for position in (0..config.plugins.len()).rev() {
        let stdin = config.for_plugin(position, &injected(request, kept.as_ref()));
        let (call, error) = Call { config, position, node, request, netns, stdin }.make(place)?;
        outcome.calls.push(call);
        if error.is_some() {
            outcome.error = error;
            return Ok(());
        }
    }
    place.bed.on(node, || cache::forget(&config.name, request).doing("forget a cached result"))
}

fn injected<'a>(request: &'a CniRequest, prev_result: Option<&'a Value>) -> Injected<'a> {
    Injected { prev_result, capability_args: request.capability_args.clone(), args_cni: request.args_cni.as_ref() }
}

/// A result without a version is taken to be of the network's (`pkg/invoke/exec.go`, `fixupResultVersion`).
fn with_version(mut result: Value, version: &str) -> Value {
    if let Value::Object(keys) = &mut result {
        let written = keys.get("cniVersion").and_then(Value::as_str).unwrap_or_default();
        if written.is_empty() {
            keys.insert("cniVersion".to_owned(), Value::from(version));
        }
    }
    result
}
