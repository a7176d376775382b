//! Finds, inspects, starts and removes containers.

use super::{Engine, fault};
use crate::error::{AtStage, TestbedError};
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A container of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// Full id.
    pub id: String,
    /// Name, without the engine's leading slash.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// Process id of its first process on the engine's host; 0 when it does not run.
    pub pid: u32,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// IPv4 address on each network, by the network's name.
    pub addresses: BTreeMap<String, String>,
    /// MAC address on each network, by the network's name.
    pub macs: BTreeMap<String, String>,
    /// The networks that it is connected to, or will be connected to at its next start.
    pub networks: BTreeSet<String>,
}

/// The plan of a container.
#[derive(Debug, Clone, Default)]
pub struct ContainerPlan {
    /// Name.
    pub name: String,
    /// Image, by name or id; the engine must have it already.
    pub image: String,
    /// Command; empty for the image's own.
    pub command: Vec<String>,
    /// Labels. Plumbline's owner label is added.
    pub labels: BTreeMap<String, String>,
    /// Whether it is privileged.
    pub privileged: bool,
    /// Capabilities beside the engine's default ones, for example `NET_ADMIN`.
    pub capabilities: Vec<String>,
    /// Network; none for the engine's default one. `none` and `host` are the engine's own names.
    pub network: Option<String>,
    /// Sysctls of its own namespaces.
    pub sysctls: BTreeMap<String, String>,
}

impl Engine {
    /// Containers with all of these labels (`key=value`, or only `key`), running or not, sorted by name.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine does not answer.
    pub async fn containers(&self, labels: &[String]) -> Result<Vec<Container>, TestbedError> {
        let filters = HashMap::from([("label", labels.to_vec())]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let found = self.docker.list_containers(Some(options)).await.map_err(|e| self.fault("list containers", &e))?;
        let mut containers = Vec::new();
        for id in found.into_iter().filter_map(|summary| summary.id) {
            // A container that was removed since the listing is left out.
            containers.extend(self.container(&id).await?);
        }
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    /// A container by name or id; none if it does not exist.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine does not answer.
    pub async fn container(&self, name: &str) -> Result<Option<Container>, TestbedError> {
        match self.docker.inspect_container(name, None::<InspectContainerOptions>).await {
            Ok(found) => Ok(Some(read_container(found))),
            Err(error) if fault::is_missing(&error) => Ok(None),
            Err(error) => Err(self.fault(&format!("inspect container {name}"), &error)),
        }
    }

    /// Creates and starts a container. The caller must record it in the journal before.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be created or started. A created container that could not be started stays, and the
    /// journal removes it.
    pub async fn start_new(&self, plan: &ContainerPlan) -> Result<Container, TestbedError> {
        let stage = format!("start container {}", plan.name);
        let options = CreateContainerOptionsBuilder::new().name(&plan.name).build();
        let made =
            self.docker.create_container(Some(options), create_body(plan)).await.map_err(|e| self.fault(&stage, &e))?;
        self.start(&made.id).await?;
        self.container(&made.id)
            .await?
            .ok_or_else(|| TestbedError::new(&stage, "it no longer existed right after its start"))
    }

    /// Starts an existing container. A running container stays unchanged.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be started.
    pub async fn start(&self, name: &str) -> Result<(), TestbedError> {
        let started = self.docker.start_container(name, None::<StartContainerOptions>).await;
        started.map_err(|error| self.fault(&format!("start container {name}"), &error))
    }

    /// Stops a container: its stop signal, then after `grace` seconds SIGKILL.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be stopped.
    pub async fn stop(&self, name: &str, grace: u16) -> Result<(), TestbedError> {
        let options = StopContainerOptionsBuilder::new().t(i32::from(grace)).build();
        let stopped = self.docker.stop_container(name, Some(options)).await;
        stopped.map_err(|error| self.fault(&format!("stop container {name}"), &error))
    }

    /// Kills and removes a container and its anonymous volumes. A missing container is no error.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be removed.
    pub async fn remove(&self, name: &str) -> Result<(), TestbedError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = self.docker.remove_container(name, Some(options)).await;
        let removed = removed.or_else(|error| if fault::is_under_way(&error) { Ok(()) } else { Err(error) });
        self.accept_missing(&format!("remove container {name}"), removed)
    }

    /// The address of a container on a network.
    ///
    /// # Errors
    /// [`TestbedError`] when there is no such container, or it has no address there.
    pub async fn address(&self, name: &str, network: &str) -> Result<std::net::Ipv4Addr, TestbedError> {
        let stage = format!("address of container {name} on network {network}");
        let container =
            self.container(name).await?.ok_or_else(|| TestbedError::new(&stage, "there is no such container"))?;
        let text =
            container.addresses.get(network).ok_or_else(|| TestbedError::new(&stage, "it is not on that network"))?;
        text.parse().at_stage(&stage)
    }
}

fn read_container(found: ContainerInspectResponse) -> Container {
    let state = found.state.unwrap_or_default();
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let texts = |pick: fn(&bollard::models::EndpointSettings) -> Option<String>| {
        networks
            .iter()
            .filter_map(|(name, at)| Some((name.clone(), pick(at).filter(|text| !text.is_empty())?)))
            .collect()
    };
    Container {
        id: found.id.unwrap_or_default(),
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        running: state.running.unwrap_or_default(),
        pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default(),
        labels: found.config.and_then(|config| config.labels).unwrap_or_default().into_iter().collect(),
        addresses: texts(|at| at.ip_address.clone()),
        macs: texts(|at| at.mac_address.clone()),
        networks: networks.keys().cloned().collect(),
    }
}

/// The labels with Plumbline's owner label.
pub(super) fn add_owner(labels: &BTreeMap<String, String>) -> HashMap<String, String> {
    let owner = (crate::ids::OWNER_LABEL.to_owned(), crate::ids::OWNER.to_owned());
    labels.clone().into_iter().chain([owner]).collect()
}

fn create_body(plan: &ContainerPlan) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(plan.image.clone()),
        cmd: (!plan.command.is_empty()).then(|| plan.command.clone()),
        labels: Some(add_owner(&plan.labels)),
        host_config: Some(HostConfig {
            privileged: Some(plan.privileged),
            cap_add: Some(plan.capabilities.clone()),
            network_mode: plan.network.clone(),
            sysctls: Some(plan.sysctls.clone().into_iter().collect()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
