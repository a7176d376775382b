//! Other commands than ADD. These functions decide themselves whether the real plugin runs.

use super::address;
use crate::call::{Call, Done, Problem, run_program};
use serde_json::json;
use std::path::PathBuf;

/// Succeeds and does nothing.
pub fn do_nothing(_call: &mut Call) -> Done {
    Ok(())
}

/// Fails where the interface is gone: DEL must succeed then.
pub fn fail_when_gone(call: &mut Call) -> Done {
    if call.index().is_err() {
        return fail(call);
    }
    call.run()
}

/// Fails.
pub fn fail(call: &mut Call) -> Done {
    call.result = json!({ "cniVersion": "1.0.0", "code": 999, "msg": "no such device" });
    call.output.code = 1;
    Ok(())
}

/// DEL keeps the leases.
pub fn keep_leases(call: &mut Call) -> Done {
    let folder = address::lease_folder(call);
    let entries = std::fs::read_dir(&folder).map_err(|error| Problem::failed(format!("{folder}: {error}")))?;
    let mut kept: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            kept.push((path.clone(), std::fs::read(path)?));
        }
    }
    call.run()?;
    for (path, content) in kept {
        std::fs::write(path, content)?;
    }
    Ok(())
}

/// DEL keeps the chains of the table nat.
pub fn keep_chains(call: &mut Call) -> Done {
    let saved = run_program(&["iptables-save", "-t", "nat"], "")?;
    call.run()?;
    run_program(&["iptables-restore", "-T", "nat"], &saved).map(drop)
}

/// ADD runs twice, and the first lease stays.
pub fn add_twice(call: &mut Call) -> Done {
    call.run()?;
    let folder = address::lease_folder(call);
    let own = call.result["ips"][0]["address"].as_str().and_then(|text| text.parse::<ipnet::IpNet>().ok());
    let own = own.ok_or_else(|| Problem::failed("host-local gave no address"))?;
    // host-local refuses a second lease of one container and interface, so the first one gets another owner meanwhile.
    let path = format!("{folder}/{}", own.addr());
    let lease = std::fs::read(&path)?;
    std::fs::write(&path, "another\neth9")?;
    call.run()?;
    Ok(std::fs::write(&path, lease)?)
}
