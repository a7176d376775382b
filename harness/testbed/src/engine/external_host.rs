//! External hosts: containers outside a cluster that run for one scenario. testcontainers starts them.
//!
//! testcontainers finds the engine itself: with DOCKER_HOST, else at the usual sockets. It does not read the docker command's
//! contexts. So its container is looked up at the engine that all other code uses; if that engine does not have it, the two
//! engines differ. Its watchdog is off (a cargo feature), and it has no reaper container. The journal and Plumbline's labels
//! identify the containers of a killed run.

use super::Engine;
use super::container::Container;
use super::files::ArchiveFile;
use crate::error::TestbedError;
use crate::ids::{OWNER, OWNER_LABEL};
use std::collections::BTreeMap;
use std::time::Duration;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, CopyTargetOptions, GenericImage, ImageExt as _};

/// The limit for the start of an external host.
const START: Duration = Duration::from_secs(60);

/// The plan of an external host.
#[derive(Debug, Clone, Default)]
pub struct ExternalHostPlan {
    /// Name.
    pub name: String,
    /// Image, with its tag. The engine must have it already, and it must run until it is killed.
    pub image: String,
    /// Networks, in order.
    pub networks: Vec<String>,
    /// Labels. Plumbline's owner label is added.
    pub labels: BTreeMap<String, String>,
    /// Files in it, with absolute paths.
    pub files: Vec<ArchiveFile>,
}

/// An external host. It is killed and removed when this is dropped, or by [`ExternalHost::remove`], which reports errors.
pub struct ExternalHost {
    /// The state of the container right after its start, on all its networks.
    pub container: Container,
    running: ContainerAsync<GenericImage>,
}

impl Engine {
    /// Starts an external host. It is privileged, because it configures links, routes and sysctls. The caller must record it in
    /// the journal before.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be started, or testcontainers used another engine.
    pub async fn start_external_host(&self, plan: &ExternalHostPlan) -> Result<ExternalHost, TestbedError> {
        let stage = format!("start container {}", plan.name);
        let Some((image, tag)) = plan.image.rsplit_once(':') else {
            return Err(TestbedError::new(stage, format!("image {} has no tag", plan.image)));
        };
        let mut labels = plan.labels.clone();
        labels.insert(OWNER_LABEL.to_owned(), OWNER.to_owned());
        let mut request = GenericImage::new(image, tag)
            .with_container_name(&plan.name)
            .with_labels(labels)
            .with_privileged(true)
            .with_startup_timeout(START);
        if let Some(first) = plan.networks.first() {
            request = request.with_network(first);
        }
        for file in &plan.files {
            let to = CopyTargetOptions::new(&file.path).with_mode(file.mode);
            request = request.with_copy_to(to, file.content.clone());
        }
        let running = request.start().await.map_err(|e| TestbedError::new(&stage, e))?;
        for network in plan.networks.iter().skip(1) {
            self.connect_network(network, running.id(), None).await?;
        }
        match self.container(running.id()).await? {
            Some(container) => Ok(ExternalHost { container, running }),
            None => Err(TestbedError::new(
                stage,
                format!("testcontainers started it, but the engine at {} does not have it", self.endpoint()),
            )
            .with_hint(format!("set DOCKER_HOST={}", self.endpoint().host))),
        }
    }
}

impl ExternalHost {
    /// Kills and removes it.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine refuses.
    pub async fn remove(self) -> Result<(), TestbedError> {
        let stage = format!("remove container {}", self.container.name);
        self.running.rm().await.map_err(|e| TestbedError::new(stage, e))
    }

    /// Keeps it running, so that the user can inspect it. The journal removes it.
    pub fn keep(self) {
        std::mem::forget(self.running);
    }
}
