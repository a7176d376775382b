//! How a cluster is used, as far as ACK's document makes settings hang on it, and what its table says.

use crate::release::Release;
use serde::{Deserialize, Serialize};

/// From where clients reach a pod's hostPort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// From nowhere: no pod has a hostPort.
    None,
    /// At the node's private address.
    Node,
    /// At a public address, from the Internet.
    Public,
    /// At both.
    Both,
}

impl Access {
    /// Whether a public address is among them.
    pub fn is_public(self) -> bool {
        matches!(self, Self::Public | Self::Both)
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::None => "no hostPort",
            Self::Node => "a node's private address",
            Self::Public => "a public address",
            Self::Both => "a node's private address and a public address",
        }
    }
}

/// How a cluster is used; what is not known is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Usage {
    /// Whether it runs Datapath V2.
    pub datapath_v2: Option<bool>,
    /// From where clients reach hostPorts.
    pub access: Option<Access>,
    /// Terway's version.
    pub terway_version: Option<Release>,
    /// The version of the portmap plugin on the nodes.
    pub portmap_version: Option<Release>,
}

/// Whether a setting is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Need {
    /// `Required`.
    Required,
    /// `Not required`.
    NotRequired,
    /// The table has no line for this use.
    Unsaid,
    /// It hangs on what is not known here.
    Unknown,
}

impl Need {
    /// As the document words it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::NotRequired => "not required",
            Self::Unsaid => "not in the table",
            Self::Unknown => "required with Datapath V2 alone, which is not known",
        }
    }
}

/// Chains of one's own (document, "Limits").
pub(super) const CHAINS: Release = Release::new(1, 5, 6);
/// `symmetric_routing` (document, below its table; Terway's releases agree).
pub(super) const SYMMETRIC: Release = Release::new(1, 15, 0);
/// `masqAll`, as the document has it.
pub(super) const MASQ_ALL_DOCUMENT: Release = Release::new(1, 7, 1);
/// `masqAll`, as containernetworking/plugins has it: the iptables backend honours it from here on.
pub(super) const MASQ_ALL: Release = Release::new(1, 2, 0);
/// The nftables backend of portmap, and the key `backend`.
pub(super) const NFTABLES: Release = Release::new(1, 6, 0);
/// The last release of portmap whose nftables backend drops `masqAll` (mended on the main branch by 3d27709).
pub(super) const NFTABLES_DROPS_MASQ_ALL: Release = Release::new(1, 9, 1);
/// The last release of Terway seen without `backend: nftables` in `symmetric_routing_config`; 1.17.1 has it.
pub(super) const NO_NFTABLES_ROUTING: Release = Release::new(1, 16, 1);
/// The last release of Terway without the key `cni_chain`.
pub(super) const NO_CNI_CHAIN: Release = Release::new(1, 17, 5);
