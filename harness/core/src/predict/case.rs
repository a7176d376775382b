//! One call of a plugin as its model sees it.

use crate::chain::go_key;
use crate::cni::PluginCall;
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// One call, with its configuration read as a Go decoder reads it: letter case does not matter.
pub struct PluginCase<'a> {
    /// The call.
    pub call: &'a PluginCall,
    conf: &'a Map<String, Value>,
    result: Option<Value>,
}

/// An address of a CNI result, with its gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedAddress {
    /// The address with its prefix length.
    pub address: IpNet,
    /// Its gateway.
    pub gateway: Option<IpAddr>,
    /// The name of its interface, where the result names one.
    pub interface: Option<String>,
}

impl<'a> PluginCase<'a> {
    /// Reads a call; none where its configuration is no object.
    pub fn read(call: &'a PluginCall) -> Option<Self> {
        let conf = call.stdin.as_object()?;
        Some(Self { call, conf, result: serde_json::from_str(&call.stdout).ok() })
    }

    /// The value of a key by its path; null counts as absent.
    pub fn key(&self, path: &[&str]) -> Option<&'a Value> {
        let (last, objects) = path.split_last()?;
        let object = objects.iter().try_fold(self.conf, |object, key| go_key(object, key)?.as_object())?;
        go_key(object, last).filter(|value| !value.is_null())
    }

    /// A text that is not empty.
    pub fn text(&self, path: &[&str]) -> Option<&'a str> {
        self.key(path)?.as_str().filter(|text| !text.is_empty())
    }

    /// A number.
    pub fn number(&self, path: &[&str]) -> Option<i64> {
        self.key(path)?.as_i64()
    }

    /// A switch; absent is off.
    pub fn is_on(&self, path: &[&str]) -> bool {
        self.key(path).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A list; absent is empty.
    pub fn list(&self, path: &[&str]) -> &'a [Value] {
        self.key(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// `CNI_IFNAME`.
    pub fn interface(&self) -> &'a str {
        &self.call.ifname
    }

    /// A variable of the environment.
    pub fn variable(&self, name: &str) -> &'a str {
        self.call.env.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// `CNI_CONTAINERID`.
    pub fn container_id(&self) -> &'a str {
        self.variable("CNI_CONTAINERID")
    }

    /// An argument of `CNI_ARGS` that is not empty.
    pub fn argument(&self, name: &str) -> Option<&'a str> {
        let pairs = self.variable("CNI_ARGS").split(';').filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next_back()
            .filter(|v| !v.is_empty())
    }

    /// The name of the network.
    pub fn network(&self) -> &'a str {
        self.text(&["name"]).unwrap_or_default()
    }

    /// The addresses of the plugin's result.
    pub fn reported_addresses(&self) -> Vec<ReportedAddress> {
        self.result.as_ref().map(addresses_of).unwrap_or_default()
    }

    /// The addresses of the result that the plugin was given.
    pub fn earlier_addresses(&self) -> Vec<ReportedAddress> {
        self.key(&["prevResult"]).map(addresses_of).unwrap_or_default()
    }
}

fn addresses_of(result: &Value) -> Vec<ReportedAddress> {
    let ips = result["ips"].as_array().into_iter().flatten();
    let address = |ip: &Value| {
        let index = ip["interface"].as_u64().and_then(|index| usize::try_from(index).ok());
        let interface = index.and_then(|index| result["interfaces"][index]["name"].as_str());
        Some(ReportedAddress {
            address: ip["address"].as_str()?.parse().ok()?,
            gateway: ip["gateway"].as_str().and_then(|gateway| gateway.parse().ok()),
            interface: interface.map(str::to_owned),
        })
    };
    // Results of 0.1.0 and 0.2.0 have one address of each family, and name no interface.
    let old = ["ip4", "ip6"].into_iter().filter_map(|family| {
        let ip = &result[family];
        Some(ReportedAddress {
            address: ip["ip"].as_str()?.parse().ok()?,
            gateway: ip["gateway"].as_str().and_then(|gateway| gateway.parse().ok()),
            interface: None,
        })
    });
    ips.filter_map(address).chain(old).collect()
}
