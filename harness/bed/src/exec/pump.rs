//! Reading what a child prints: capped, line by line to whoever listens, never held up by a grandchild.

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

/// Called with each line of a child's output, without its line end.
pub type OnLine = std::sync::Arc<dyn Fn(&str) + Send + Sync>;

/// A reader that runs beside the child.
pub(super) struct Pump {
    task: JoinHandle<()>,
    kept: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
}

impl Pump {
    /// Starts to read `source`, keeping at most the last `cap` bytes.
    pub(super) fn start(
        mut source: impl AsyncRead + Unpin + Send + 'static,
        cap: usize,
        on_line: Option<OnLine>,
    ) -> Self {
        let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let store = kept.clone();
        let task = tokio::spawn(async move {
            let (mut block, mut line) = (vec![0; 16 * 1024], Vec::new());
            while let Ok(read @ 1..) = source.read(&mut block).await {
                keep(&store, &block[..read], cap);
                if let Some(on_line) = &on_line {
                    tell_lines(&mut line, &block[..read], on_line);
                }
            }
        });
        Self { task, kept }
    }

    /// What was read, after the child ended: waits for the end of the stream, but only shortly.
    pub(super) async fn finish(self) -> String {
        // A daemon that the child left behind may hold the stream open for ever; what the child itself
        // printed is in the pipe already, so a short wait loses nothing.
        let grace = std::time::Duration::from_millis(200);
        let abort = self.task.abort_handle();
        if tokio::time::timeout(grace, self.task).await.is_err() {
            abort.abort();
        }
        let kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

fn keep(store: &std::sync::Mutex<Vec<u8>>, block: &[u8], cap: usize) {
    let mut kept = store.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    kept.extend_from_slice(block);
    if kept.len() > cap {
        let surplus = kept.len() - cap;
        kept.drain(..surplus);
    }
}

fn tell_lines(line: &mut Vec<u8>, block: &[u8], on_line: &OnLine) {
    for &byte in block {
        if byte == b'\n' || byte == b'\r' {
            if !line.is_empty() {
                on_line(&String::from_utf8_lossy(line));
                line.clear();
            }
        } else if line.len() < 4096 {
            line.push(byte);
        }
    }
}
