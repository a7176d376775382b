//! What registries offer, asked by the engine, so with its credentials, proxies and mirrors.

use super::Engine;
use crate::error::TestbedError;

impl Engine {
    /// Asks the registry of an image whether it has it, without pulling it.
    ///
    /// # Errors
    /// [`TestbedError`] with the registry's words, or with why it can't be reached.
    pub async fn offered(&self, name: &str) -> Result<(), TestbedError> {
        let found = self.docker.inspect_registry_image(name, None).await;
        found.map(drop).map_err(|error| self.fault(&format!("ask the registry for {name}"), &error))
    }
}
