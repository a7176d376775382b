//! Short ways to lint texts in tests.

use plumbline_core::finding::Finding;
use plumbline_core::lint::{InputFile, Options, Report, lint};

/// Lints one text of this name.
pub fn lint_as(name: &str, text: &str, options: &Options) -> Report {
    lint(&[InputFile::new(name, text)], options)
}

/// Lints one text.
pub fn lint_text(text: &str) -> Report {
    lint_as("f.yaml", text, &Options::default())
}

/// A NetworkAttachmentDefinition with this configuration.
pub fn nad(name: &str, config: &str) -> String {
    let config: String = config.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "---\napiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata:\n  name: {name}\nspec:\n  config: |\n{config}"
    )
}

/// A list of these plugins.
pub fn chain(plugins: &str) -> String {
    format!("{{ \"cniVersion\": \"1.0.0\", \"name\": \"net\", \"plugins\": [ {plugins} ] }}")
}

/// A pod with this networks annotation.
pub fn pod(name: &str, networks: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  annotations:\n    k8s.v1.cni.cncf.io/networks: '{networks}'\nspec: {{ containers: [ {{ name: a, image: b }} ] }}\n"
    )
}

/// A Deployment whose pods have this networks annotation.
pub fn deployment(name: &str, replicas: u32, networks: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: {replicas}\n  template:\n    metadata:\n      annotations:\n        k8s.v1.cni.cncf.io/networks: '{networks}'\n    spec: {{ containers: [ {{ name: a, image: b }} ] }}\n"
    )
}

/// The codes of findings, in their order.
pub fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// The findings as text, for the message of a failed test.
pub fn shown(report: &Report) -> String {
    let findings = report.findings.iter().map(|finding| {
        let source = finding.source.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{source}: {} {} {:?}\n", finding.code, finding.message, finding.notes)
    });
    findings.chain(report.errors.iter().map(|error| format!("{error}\n"))).collect()
}
