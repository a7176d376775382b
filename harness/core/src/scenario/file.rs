//! The scenario file, version 1, as it is written; `docs/scenario.md` explains it.
//!
//! Scalars that have a form of their own (addresses, gateways) are read as text here and parsed by
//! [`super::expect`], so that every mistake in a file is told at once, each with its place.

mod reach;
mod topology;

pub(super) use reach::{ReachFile, ReachedByFile, UnreachableFile, Where};
pub(super) use topology::{BridgeFile, EniFile, HostFile, LinkFile, NodePortFile, TopologyFile};

use super::strict::{At, ListOr, Pairs};
use serde::Deserialize;
use serde_json::Value;

/// The only `apiVersion` understood.
pub const API_VERSION: &str = "plumbline.dev/v1alpha1";
/// The only `kind` understood.
pub const KIND: &str = "Scenario";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ScenarioFile {
    pub api_version: At<String>,
    pub kind: At<String>,
    pub metadata: Metadata,
    #[serde(default)]
    pub requires: Vec<At<String>>,
    #[serde(default)]
    pub lanes: Vec<At<String>>,
    #[serde(default)]
    pub topology: TopologyFile,
    #[serde(default)]
    pub networks: Vec<At<Entry>>,
    #[serde(default)]
    pub pods: Vec<At<Entry>>,
    #[serde(default)]
    pub expect: Pairs<At<PodFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub name: At<String>,
    #[serde(default)]
    pub summary: String,
    #[serde(default)]
    pub covers: Vec<At<String>>,
}

/// A network or a pod: a user's file, a template with values, or (networks alone) the name of one that is there already.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Entry {
    pub manifest: Option<At<String>>,
    pub template: Option<At<String>>,
    pub values: Option<Pairs<At<Value>>>,
    pub existing: Option<At<String>>,
    pub namespace: Option<At<String>>,
    pub node: Option<At<i64>>,
    pub copies: Option<At<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PodFile {
    #[serde(default)]
    pub interfaces: Pairs<At<InterfaceFile>>,
    #[serde(default)]
    pub routes: Pairs<At<ListOr<At<RouteFile>, RouteLists>>>,
    pub default: Option<At<DefaultFile>>,
    pub default6: Option<At<DefaultFile>>,
    #[serde(default)]
    pub reaches: Vec<At<ReachFile>>,
    #[serde(default)]
    pub cannot_reach: Vec<At<UnreachableFile>>,
    #[serde(default)]
    pub reached_by: Vec<At<ReachedByFile>>,
    #[serde(default)]
    pub sysctls: Pairs<At<String>>,
    pub link_local: Option<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct InterfaceFile {
    pub absent: Option<At<bool>>,
    pub kind: Option<At<String>>,
    pub parent: Option<At<String>>,
    pub state: Option<At<String>>,
    pub mtu: Option<At<u32>>,
    pub mac: Option<At<String>>,
    pub addresses: Option<At<ListOr<At<String>, AddressLists>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AddressLists {
    pub at_least: Option<Vec<At<String>>>,
    #[serde(default)]
    pub absent: Vec<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RouteLists {
    pub at_least: Option<Vec<At<RouteFile>>>,
    #[serde(default)]
    pub absent: Vec<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RouteFile {
    pub to: At<String>,
    pub via: Option<At<String>>,
    pub scope: Option<At<String>>,
    pub src: Option<At<String>>,
    pub table: Option<At<u32>>,
    pub metric: Option<At<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct DefaultFile {
    pub dev: Option<At<String>>,
    pub count: Option<At<usize>>,
    pub via: Option<At<String>>,
}
