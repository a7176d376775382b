//! The program `whereabouts`: plumbline's stand-in, not upstream's. An IPAM plugin for lanes without an API server.
//!
//! | module | content |
//! |---|---|
//! | [`config`] | the configuration: which addresses may be given |
//! | [`leases`] | given addresses, one file each |

mod config;
mod leases;

use config::{Config, Range};
use leases::Leases;
use plumbline_plugin::{Code, Failure, Plugin, unknown_command, variable};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

const ABOUT: &str = concat!(
    "plumbline's stand-in for whereabouts, not upstream's, ",
    env!("CARGO_PKG_VERSION"),
    ": leases of one node, no API server"
);

/// The protocol's versions.
const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// The version for a configuration without one. The result names it, and callers read the result by it.
const VERSION_OF_NONE: &str = "0.3.1";

/// The folder of the leases on the node.
const FOLDER: &str = "/run/cni/plumbline-whereabouts";

fn main() -> ExitCode {
    Plugin { about: ABOUT, versions: &VERSIONS, serve }.main()
}

fn serve(command: &str, input: &[u8]) -> Result<Option<Value>, Failure> {
    let mut config = Config::read(input)?;
    if config.version.is_empty() {
        config.version = VERSION_OF_NONE.to_owned();
    }
    if !VERSIONS.contains(&config.version.as_str()) {
        let details = format!("config is {:?}, plugin supports {VERSIONS:?}", config.version);
        return Err(Failure::with_details(Code::Version, "incompatible CNI versions", details));
    }
    let owner = format!("{} {}", variable("CNI_CONTAINERID"), variable("CNI_IFNAME"));
    let leases = || Leases::open(Path::new(FOLDER)).map_err(|why| Failure::new(Code::Internal, why));
    match command {
        "ADD" => add(&config, &owner, &leases()?).map(Some),
        "DEL" => leases()?.free(&owner).map(|()| None).map_err(|why| Failure::new(Code::Internal, why)),
        "CHECK" => match leases()?.has(&owner) {
            true => Ok(None),
            false => Err(Failure::new(Code::Internal, format!("no address is leased to {owner}"))),
        },
        "STATUS" | "GC" => Ok(None),
        other => Err(unknown_command(other)),
    }
}

/// Leases an address of each range and gives the result.
fn add(config: &Config, owner: &str, leases: &Leases) -> Result<Value, Failure> {
    let gateway = config.gateway()?;
    let mut ips = Vec::new();
    for range in config.ranges()? {
        match leases.take(&range, owner) {
            Ok(address) => ips.push(entry(config, &range, address, gateway)),
            Err(why) => {
                // A failed ADD leaves nothing.
                let _ = leases.free(owner);
                return Err(Failure::new(Code::Internal, why));
            }
        }
    }
    let mut result = json!({ "cniVersion": config.version, "ips": ips });
    for (key, value) in [("routes", &config.ipam.routes), ("dns", &config.ipam.dns)] {
        if !value.is_null() {
            result[key] = value.clone();
        }
    }
    Ok(result)
}

fn entry(config: &Config, range: &Range, address: IpAddr, gateway: Option<IpAddr>) -> Value {
    let mut entry = json!({ "address": format!("{address}/{}", range.net.prefix_len()) });
    // Versions below 1.0.0 also have the address family.
    if config.version.starts_with("0.") {
        entry["version"] = Value::from(if address.is_ipv4() { "4" } else { "6" });
    }
    if let Some(gateway) = gateway.filter(|gateway| gateway.is_ipv4() == address.is_ipv4()) {
        entry["gateway"] = Value::from(gateway.to_string());
    }
    entry
}
