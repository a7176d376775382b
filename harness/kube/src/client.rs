//! Clients of API servers, from explicit kubeconfig files: this module reads no environment variable.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use std::path::PathBuf;

/// Connects with kubeconfig files, merged in order as in kubectl, and one of their contexts; none for the current context.
///
/// # Errors
/// `TestbedError` at `stage` when a file can't be read, or there is no such context.
pub async fn connect(files: &[PathBuf], context: Option<&str>, stage: &str) -> Result<Client, TestbedError> {
    // An unreadable file is an error: without it, a context with that name might belong to another cluster.
    let read = files.iter().try_fold(Kubeconfig::default(), |merged, file| {
        let next = Kubeconfig::read_from(file).at_stage(&format!("read {}", file.display()))?;
        merged.merge(next).at_stage(stage)
    })?;
    if let Some(context) = context
        && !read.contexts.iter().any(|known| known.name == *context)
    {
        let known: Vec<&str> = read.contexts.iter().map(|known| known.name.as_str()).collect();
        let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let cause = format!("there is no context {context} in {}", files.join(", "));
        return Err(TestbedError::new(stage, cause).with_hint(format!("name one of these: {}", known.join(", "))));
    }
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(read, &options).await.at_stage(stage)?;
    Client::try_from(config).at_stage(stage)
}
