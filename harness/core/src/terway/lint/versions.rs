//! The versions that settings need: the document's, and the sources' where they say otherwise.

use super::{Chain, Linter};
use crate::finding::FindingCode;
use crate::terway::eni_config::CONFLIST;
use crate::terway::usage::{
    CHAINS, MASQ_ALL, MASQ_ALL_DOCUMENT, NFTABLES, NFTABLES_DROPS_MASQ_ALL, NO_NFTABLES_ROUTING, SYMMETRIC,
};
use serde_json::Value;

pub(super) fn lint(chain: &Chain<'_>, linter: &mut Linter<'_>) {
    terway(chain, linter);
    portmap(chain, linter);
}

fn terway(chain: &Chain<'_>, linter: &mut Linter<'_>) {
    let limits = "the document, \"Limits\": Terway 1.5.6 or later";
    let custom = (chain.key == CONFLIST).then(|| ("a custom chain", CHAINS, chain.top_at("plugins"), limits));
    let symmetric = chain.terway().filter(|terway| terway.conf.get("symmetric_routing") == Some(&Value::Bool(true)));
    let below = "the document, below its table: symmetric_routing requires Terway v1.15.0 or later";
    let routing =
        symmetric.map(|terway| ("symmetric_routing", SYMMETRIC, chain.at(terway, "symmetric_routing"), below));
    for (what, least, at, line) in custom.into_iter().chain(routing) {
        match linter.usage.terway_version {
            None => linter.untold(format!("whether Terway is {least} or later, for {what}: say --terway-version")),
            Some(version) => {
                linter.check();
                if version < least {
                    let message = format!("{what} needs Terway {least} or later; this is {version}");
                    linter.add(FindingCode::PL625, at, message).note(line).note("an older version drops it silently");
                }
            }
        }
    }
    let nftables = symmetric.filter(|terway| {
        terway.conf.get("symmetric_routing_config").is_some_and(|config| config["backend"] == "nftables")
    });
    if let (Some(terway), Some(version)) = (nftables, linter.usage.terway_version) {
        linter.check();
        if version <= NO_NFTABLES_ROUTING {
            let message = format!("the nftables backend of symmetric_routing is not in Terway {version}");
            linter.add(FindingCode::PL625, chain.at(terway, "symmetric_routing_config/backend"), message)
                .note("1.16.1 is without it, and writes rules of iptables; 1.17.1 has it (the sources; the document is silent)");
        }
    }
}

fn portmap(chain: &Chain<'_>, linter: &mut Linter<'_>) {
    let Some(portmap) = chain.plugin("portmap") else { return };
    let version = linter.usage.portmap_version;
    let backend = portmap.key("backend").and_then(Value::as_str);
    if let (Some(_), Some(version)) = (portmap.key("backend"), version) {
        linter.check();
        if version < NFTABLES {
            let message = format!("portmap {version} has no key `backend`: it takes iptables whatever is said");
            linter
                .add(FindingCode::PL635, chain.at(portmap, "backend"), message)
                .note(format!("there from {NFTABLES} on"));
        }
    }
    if portmap.key("masqAll") != Some(&Value::Bool(true)) {
        return;
    }
    let at = chain.at(portmap, "masqAll");
    let line = "the document, below its table: masqAll requires portmap v1.7.1 or later".to_owned();
    let sources = format!(
        "the sources: iptables honours it from {MASQ_ALL} on; nftables is there from {NFTABLES} on and drops it up to {NFTABLES_DROPS_MASQ_ALL}"
    );
    linter.check();
    if portmap.key("snat") == Some(&Value::Bool(false)) {
        let message = "`masqAll` is without effect: `snat` is false, so portmap marks nothing";
        linter.add(FindingCode::PL626, at, message).note(sources);
        return;
    }
    match (version, backend) {
        (None, Some("nftables")) => {
            let message = format!("`masqAll` is without effect with the nftables backend of every portmap up to {NFTABLES_DROPS_MASQ_ALL}");
            linter.add(FindingCode::PL626, at, message)
                .note(line)
                .note(sources)
                .note("mended on its main branch (3d27709); say --portmap-version");
        }
        (None, _) => linter.untold(format!("whether portmap knows masqAll, from {MASQ_ALL} on ({MASQ_ALL_DOCUMENT} by the document): say --portmap-version")),
        (Some(version), _) if version < MASQ_ALL => {
            let message = format!("`masqAll` is without effect: portmap {version} does not know it");
            linter.add(FindingCode::PL626, at, message).note(line).note(sources);
        }
        (Some(version), Some("nftables")) if (NFTABLES..=NFTABLES_DROPS_MASQ_ALL).contains(&version) => {
            let message = format!("`masqAll` is without effect: the nftables backend of portmap {version} never reads it");
            linter.add(FindingCode::PL626, at, message).note(line).note(sources);
        }
        (Some(version), _) if version < MASQ_ALL_DOCUMENT => {
            let message = format!("`masqAll` with portmap {version}: the document wants {MASQ_ALL_DOCUMENT}, the sources {MASQ_ALL}");
            linter.add(FindingCode::PL627, at, message).note(line).note(sources);
        }
        _ => {}
    }
}
