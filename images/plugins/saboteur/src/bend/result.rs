//! The result.

use crate::call::{Call, Done, Problem};
use serde_json::{Value, json};

/// The result has no interfaces.
pub fn drop_interfaces(call: &mut Call) -> Done {
    remove_key(call, "interfaces")?;
    for entry in call.result_addresses() {
        entry.as_object_mut().and_then(|entry| entry.remove("interface"));
    }
    Ok(())
}

fn remove_key(call: &mut Call, key: &str) -> Done {
    let removed = call.result.as_object_mut().and_then(|result| result.remove(key));
    removed.map(drop).ok_or_else(|| Problem::failed(format!("the result has no {key}")))
}

/// The result has an older version than the configuration requests.
pub fn age(call: &mut Call) -> Done {
    call.result["cniVersion"] = Value::from("0.4.0");
    Ok(())
}

/// The result has no DNS settings.
pub fn drop_dns(call: &mut Call) -> Done {
    if call.result["dns"].as_object().is_none_or(serde_json::Map::is_empty) {
        return Err(Problem::failed("the result has no DNS settings"));
    }
    call.result["dns"] = json!({});
    Ok(())
}

/// The result has another MAC address than the kernel.
pub fn change_mac(call: &mut Call) -> Done {
    let mut entries = call.result["interfaces"].as_array_mut().into_iter().flatten();
    let entry = entries.find(|entry| entry["sandbox"].as_str().is_some_and(|sandbox| !sandbox.is_empty()));
    entry.ok_or_else(|| Problem::failed("the result has no interface"))?["mac"] = Value::from("02:00:00:00:00:41");
    Ok(())
}

/// An error in the result's place, and exit code 0.
pub fn report_error(call: &mut Call) -> Done {
    call.result = json!({ "cniVersion": "1.0.0", "code": 11, "msg": "try again later" });
    Ok(())
}

/// The first address is there twice.
pub fn repeat_address(call: &mut Call) -> Done {
    let addresses = call.result_addresses();
    let first = addresses.first().cloned().ok_or_else(|| Problem::failed("the result has no address"))?;
    addresses.push(first);
    Ok(())
}

/// The gateway of the first address is another one.
pub fn change_gateway(call: &mut Call) -> Done {
    let first = call.result_addresses().first_mut();
    first.ok_or_else(|| Problem::failed("the result has no address"))?["gateway"] = Value::from("198.51.100.1");
    Ok(())
}

/// The interface is said to be on the node.
pub fn drop_sandbox(call: &mut Call) -> Done {
    let mut entries = call.result["interfaces"].as_array_mut().into_iter().flatten();
    let entry = entries.find(|entry| entry["sandbox"].as_str().is_some_and(|sandbox| !sandbox.is_empty()));
    let entry = entry.and_then(Value::as_object_mut).ok_or_else(|| Problem::failed("the result has no interface"))?;
    entry.remove("sandbox");
    Ok(())
}

/// Nothing is printed.
pub fn print_nothing(call: &mut Call) -> Done {
    call.result = Value::Null;
    Ok(())
}
