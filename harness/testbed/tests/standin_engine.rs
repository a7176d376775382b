//! Tests of the errors when an engine ends between requests, or a registry refuses. The engine is a stand-in: a socket with
//! recorded HTTP responses of Docker 20.10.24.

use plumbline_testbed::engine::{Endpoint, Engine};
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

const VERSION: &str = r#"{"Version": "20.10.24", "ApiVersion": "1.41"}"#;

fn endpoint(folder: &Path) -> Endpoint {
    Endpoint { host: format!("unix://{}", folder.join("s").display()), why: "a stand-in".into() }
}

/// Answers each connection with the next of `answers`; after the last one the socket is closed and removed.
fn stand_in(folder: &Path, answers: Vec<(u16, &'static str)>) {
    let path = folder.join("s");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        for (code, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let head =
                format!("HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
            stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
        }
        drop(listener);
        std::fs::remove_file(path).unwrap();
    });
}

#[tokio::test]
async fn a_missing_socket_is_an_error_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let fault = Engine::connect_to(endpoint(dir.path())).await.unwrap_err();
    assert!(fault.cause().starts_with("no container engine answers at unix://"), "{fault}");
    assert!(fault.hint.unwrap().contains("DOCKER_HOST"));
}

#[tokio::test]
async fn a_socket_without_a_listener_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(dir.path().join("s")).unwrap());
    let fault = Engine::connect_to(endpoint(dir.path())).await.unwrap_err();
    assert!(fault.cause().contains("onnection refused"), "{fault}");
}

#[tokio::test]
async fn an_engine_that_ends_between_requests_is_named() {
    let dir = tempfile::tempdir().unwrap();
    stand_in(dir.path(), vec![(200, VERSION)]);
    let engine = Engine::connect_to(endpoint(dir.path())).await.unwrap();
    let fault = engine.containers(&[]).await.unwrap_err();
    assert_eq!(fault.stage, "list containers");
    assert!(fault.cause().contains("no longer answers"), "{fault}");
    assert!(fault.hint.unwrap().contains("run the same command again"));
}

#[tokio::test]
async fn a_refusal_of_the_registry_names_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let body =
        r#"{"message": "Get \"https://registry.example/v2/\": dial tcp: lookup registry.example: no such host"}"#;
    stand_in(dir.path(), vec![(200, VERSION), (500, body)]);
    let engine = Engine::connect_to(endpoint(dir.path())).await.unwrap();
    let fault = engine.pull_image("registry.example/multus:1", |_| {}).await.unwrap_err();
    assert_eq!(fault.stage, "pull image registry.example/multus:1");
    assert!(fault.cause().contains("no such host (HTTP 500)"), "{fault}");
    assert!(fault.hint.unwrap().contains("profile hermetic"));
}

#[tokio::test]
async fn a_refusal_during_a_pull_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let body = concat!(
        r#"{"status": "Pulling from multus", "id": "1"}"#,
        "\n",
        r#"{"errorDetail": {"message": "toomanyrequests: rate limit"}, "error": "toomanyrequests: rate limit"}"#,
        "\n"
    );
    stand_in(dir.path(), vec![(200, VERSION), (200, body)]);
    let engine = Engine::connect_to(endpoint(dir.path())).await.unwrap();
    let fault = engine.pull_image("registry.example/multus:1", |_| {}).await.unwrap_err();
    assert!(fault.cause().contains("toomanyrequests") && fault.hint.unwrap().contains("docker login"));
}
