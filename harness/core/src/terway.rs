//! Terway's configuration: the ConfigMap `eni-config` in which ACK keeps a custom CNI chain.
//!
//! ```text
//! a user's file, or data of a cluster -> EniConfig -> lint(usage, cluster) -> LintReport
//!                                                  -> alternatives(node)   -> compare with a node's conflist
//!                                                  -> change(old)          -> what `apply` would write
//! ```
//! Sources: the document "Configure a custom CNI chain" of ACK (2025-08-14), and Terway v1.17.5, `cmd/terway-cli` and
//! `charts/terway/templates/terwayd`. Where they do not agree, a finding says so. Kept out: any reading of files or
//! clusters, and any doing.

mod change;
mod compare;
mod eni_config;
mod expected;
mod json_text;
mod lint;
mod rollout;
mod shown;
mod usage;

pub use change::{Change, change};
pub use compare::{Difference, compare};
pub use eni_config::{CNI_CHAIN, CONF, CONFLIST, ENI_CONF, EniConfig, KEYS, NAME, NAMESPACE, POLICY};
pub use expected::{Before, Node, NodeFacts, alternatives, conflist};
pub use json_text::{JsonText, Problem};
pub use lint::{LintReport, ROWS, TableRow, lint, lint_with};
pub use rollout::{ClusterSeen, NodeSeen, OldPod, Rollout, rollout};
pub use shown::{Applied, DAEMON_SET, NodeShown, Planned, PutBack, Shown, plan, show};
pub use usage::{Access, Need, Usage};
