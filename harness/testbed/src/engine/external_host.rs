//! External hosts: containers outside a cluster that live as long as one scenario, started by testcontainers.
//!
//! testcontainers finds the engine by itself: by DOCKER_HOST, else at the usual sockets. It does not read the docker
//! command's contexts, so what it started is looked up at the engine that everything else here uses; where that one
//! does not have it, the two are not the same. Its watchdog is left off (a cargo feature) and it has no reaper container;
//! what a killed run leaves behind stands in the journal and carries our labels.

use super::Engine;
use super::container::Container;
use super::files::ArchiveFile;
use crate::error::TestbedError;
use crate::ids::{OWNER, OWNER_LABEL};
use std::collections::BTreeMap;
use std::time::Duration;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, CopyTargetOptions, GenericImage, ImageExt as _};

/// How long one may take to start.
const START: Duration = Duration::from_secs(60);

/// What an external host is to be.
#[derive(Debug, Clone, Default)]
pub struct ExternalHostPlan {
    /// Name.
    pub name: String,
    /// Image, with its tag; it must be there already, and run until it is killed.
    pub image: String,
    /// Networks, in order.
    pub networks: Vec<String>,
    /// Labels. Plumbline's owner label is added.
    pub labels: BTreeMap<String, String>,
    /// Files in it; paths absolute.
    pub files: Vec<ArchiveFile>,
}

/// An external host. It is killed and removed when this is dropped, or by [`ExternalHost::remove`], which reports errors.
pub struct ExternalHost {
    /// The container as it was right after its start, on all its networks.
    pub container: Container,
    running: ContainerAsync<GenericImage>,
}

impl Engine {
    /// Starts an external host, privileged, since it makes links, routes and sysctls of its own. To be journalled by the
    /// caller before.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be started, or was started at another engine than this one.
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
                format!("testcontainers started it, and the engine at {} does not have it", self.endpoint()),
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

    /// Leaves it running for the user to look at; the journal removes it.
    pub fn keep(self) {
        std::mem::forget(self.running);
    }
}
