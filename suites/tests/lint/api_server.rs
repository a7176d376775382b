//! An API server made by hand: it answers from a table and keeps the requests.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A server on a port of its own. It ends with the test's process.
pub struct ApiServer {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    /// Answers a GET of these paths with these values, and of others with 404. A number is a status code.
    pub fn start(answers: BTreeMap<&'static str, Value>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that leaves early fails its own test.
                let _ = answer(stream, &answers, &kept);
            }
        });
        Ok(Self { port, requests })
    }

    /// A kubeconfig with the context `fake`.
    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://127.0.0.1:{}", self.port) } }],
            "users": [{ "name": "u", "user": {} }],
            "contexts": [{ "name": "fake", "context": { "cluster": "c", "user": "u", "namespace": "media" } }],
        })
        .to_string()
    }

    /// Method and path of each request.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn answer(
    stream: TcpStream,
    answers: &BTreeMap<&'static str, Value>,
    kept: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
    let status = |code: u64| json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "not here", "reason": "NotFound", "code": code });
    let (code, body) = match answers.get(path) {
        Some(Value::Number(code)) => (code.as_u64().unwrap_or(500), status(code.as_u64().unwrap_or(500))),
        Some(value) => (200, value.clone()),
        None => (404, status(404)),
    };
    let body = body.to_string();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {code} answer\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
