//! `reaches` and `cannotReach` as they are written.

use crate::scenario::strict::At;
use serde::Deserialize;

/// A destination: `to` with or without `at`, or `pod` with `interface`.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct Where<'a> {
    pub to: Option<&'a At<String>>,
    pub at: Option<&'a At<String>>,
    pub pod: Option<&'a At<String>>,
    pub interface: Option<&'a At<String>>,
    pub v6: Option<&'a At<bool>>,
}

macro_rules! destination {
    ($file:ty) => {
        impl $file {
            pub fn destination(&self) -> Where<'_> {
                Where {
                    to: self.to.as_ref(),
                    at: self.at.as_ref(),
                    pod: self.pod.as_ref(),
                    interface: self.interface.as_ref(),
                    v6: self.v6.as_ref(),
                }
            }
        }
    };
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct ReachFile {
    to: Option<At<String>>,
    at: Option<At<String>>,
    pod: Option<At<String>>,
    interface: Option<At<String>>,
    v6: Option<At<bool>>,
    pub by: At<String>,
    pub port: Option<At<i64>>,
    pub lookup: Option<At<String>>,
    pub resolves_to: Option<At<String>>,
    pub from: Option<At<String>>,
    pub through: Option<At<String>>,
    pub gateway: Option<At<String>>,
    pub seen_from: Option<At<String>>,
    pub tags: Option<At<Vec<At<i64>>>>,
    pub priority: Option<At<i64>>,
}
destination!(ReachFile);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct UnreachableFile {
    to: Option<At<String>>,
    at: Option<At<String>>,
    pod: Option<At<String>>,
    interface: Option<At<String>>,
    v6: Option<At<bool>>,
    pub by: At<String>,
    pub port: Option<At<i64>>,
    pub from: Option<At<String>>,
    pub because: Option<At<String>>,
    pub control: Option<At<ControlFile>>,
    pub reached_by: Option<At<String>>,
}
destination!(UnreachableFile);

/// Who reaches the pod by a port of its node.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct ReachedByFile {
    pub sender: At<String>,
    pub at: Option<At<String>>,
    pub by: At<String>,
    pub port: At<i64>,
    pub v6: Option<At<bool>>,
    pub seen_from: Option<At<String>>,
    pub back_by: Option<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct ControlFile {
    to: Option<At<String>>,
    at: Option<At<String>>,
    pod: Option<At<String>>,
    interface: Option<At<String>>,
    v6: Option<At<bool>>,
}
destination!(ControlFile);
