//! Runs `ip a` and `ip route` in the pod, and their JSON forms, in one exec over a websocket.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams};
use plumbline_core::observe::ip::IpOutputs;
use plumbline_core::observe::{Transcript, printable};
use plumbline_testbed::error::TestbedError;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The parts of [`SCRIPT`]'s output, in order.
const PARTS: usize = 7;
/// The script for the pod's shell.
const SCRIPT: &str = include_str!("ip.sh");

const STAGE: &str = "observe";

/// The outcome of `ip` in a pod.
#[derive(Debug, Clone, PartialEq)]
pub enum IpInPod {
    /// The output of the pod's own `ip`.
    Outputs(IpOutputs),
    /// `ip` can't run there, because the container has no shell or no `ip`: the reason.
    Unavailable(String),
    /// The pod or its container no longer exists: the server's message.
    Gone(String),
}

/// Runs `ip` in `container` of the pod.
///
/// # Errors
/// `TestbedError` when the cluster can't start the exec.
pub async fn ip_in_pod(pods: &Api<Pod>, pod: &str, container: &str, marker: &str) -> Result<IpInPod, TestbedError> {
    let argv = ["sh", "-c", SCRIPT, "sh", marker];
    let params = AttachParams::default().container(container).stdin(false).stdout(true).stderr(true);
    let mut process = match pods.exec(pod, argv, &params).await {
        Ok(process) => process,
        Err(e) => return explain_refusal(pod, &e),
    };
    let status = process.take_status();
    let (stdout, stderr) = tokio::join!(read_all(process.stdout()), read_all(process.stderr()));
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let joined = process.join().await;
    if let Some(failure) = status.as_ref().filter(|s| s.status.as_deref() == Some("Failure")) {
        return Ok(explain_failure(failure, &stderr));
    }
    joined.map_err(|e| exec_error(pod, &e.to_string()))?;
    split_output(pod, &stdout, marker)
}

async fn read_all(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // A broken stream returns what was read. The markers of the parts show whether the output is complete.
        let _ = stream.read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn exec_error(pod: &str, what: &str) -> TestbedError {
    TestbedError::new(STAGE, format!("exec in pod {pod}: {what}"))
}

/// The outcome of an exec that the API server refused: the pod no longer exists, or the cluster is at fault.
fn explain_refusal(pod: &str, error: &kube::Error) -> Result<IpInPod, TestbedError> {
    let message = error.to_string();
    let gone = matches!(error, kube::Error::Api(status) if status.code == 404) || message.contains("404");
    if gone { Ok(IpInPod::Gone(format!("pod {pod}: {message}"))) } else { Err(exec_error(pod, &message)) }
}

/// The outcome of an exec that the runtime could not start, or whose shell failed.
fn explain_failure(status: &Status, stderr: &str) -> IpInPod {
    let message = status.message.clone().unwrap_or_default();
    if ["executable file not found", "no such file or directory"].iter().any(|w| message.contains(w)) {
        return IpInPod::Unavailable("the container has no shell".to_owned());
    }
    if ["container not found", "container not running", "not found", "deleted"].iter().any(|w| message.contains(w)) {
        return IpInPod::Gone(message);
    }
    IpInPod::Unavailable(format!("its shell failed: {message} {}", stderr.trim()).trim().to_owned())
}

/// Splits the output at the markers.
fn split_output(pod: &str, stdout: &str, marker: &str) -> Result<IpInPod, TestbedError> {
    let mut parts: Vec<(String, i32)> = Vec::with_capacity(PARTS);
    let mut text = String::new();
    for line in stdout.split_inclusive('\n') {
        let code = line.trim_end().strip_prefix(marker).and_then(|rest| rest.trim().parse::<i32>().ok());
        match code {
            Some(code) => {
                // The script adds the newline before the marker.
                if text.ends_with('\n') {
                    text.pop();
                }
                parts.push((std::mem::take(&mut text), code));
            }
            None => text.push_str(line),
        }
    }
    if parts.len() != PARTS {
        return Err(exec_error(pod, &format!("expected {PARTS} parts of output, found {}", parts.len())));
    }
    if parts[0].1 == 127 {
        return Ok(IpInPod::Unavailable("the container has no ip command".to_owned()));
    }
    let transcript = |command: &str, part: &(String, i32)| Transcript {
        pod: pod.to_owned(),
        command: command.to_owned(),
        text: printable(&part.0),
    };
    let transcripts = vec![transcript("ip a", &parts[0]), transcript("ip route", &parts[1])];
    let mut json = parts.into_iter().skip(2).map(|(text, code)| (code == 0).then_some(text));
    let mut next = || json.next().flatten();
    Ok(IpInPod::Outputs(IpOutputs {
        transcripts,
        addr_json: next(),
        route4_json: next(),
        route6_json: next(),
        rule4_json: next(),
        rule6_json: next(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(codes: [i32; PARTS]) -> String {
        codes.iter().enumerate().map(|(i, code)| format!("part {i}\n\nMARK {code}\n")).collect()
    }

    #[test]
    fn the_output_is_split_at_the_markers() {
        let IpInPod::Outputs(outputs) = split_output("p", &output([0; PARTS]), "MARK").unwrap() else {
            panic!("outputs")
        };
        assert_eq!(outputs.transcripts[0].text, "part 0\n");
        assert_eq!(outputs.transcripts[1].command, "ip route");
        assert_eq!(outputs.rule6_json.as_deref(), Some("part 6\n"));
    }

    #[test]
    fn an_ip_without_json_returns_the_text() {
        let IpInPod::Outputs(outputs) = split_output("p", &output([0, 0, 1, 1, 1, 1, 1]), "MARK").unwrap() else {
            panic!("outputs")
        };
        assert_eq!(outputs.addr_json, None);
        assert_eq!(outputs.transcripts.len(), 2);
    }

    #[test]
    fn a_missing_ip_is_no_error_and_an_incomplete_output_is_an_error() {
        assert!(matches!(split_output("p", &output([127; PARTS]), "MARK").unwrap(), IpInPod::Unavailable(_)));
        assert!(split_output("p", "part 0\n\nMARK 0\n", "MARK").unwrap_err().cause().ends_with("found 1"));
    }
}
