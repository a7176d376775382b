//! Networks and volumes of the engine.

use super::container::add_owner;
use super::{Engine, fault};
use crate::error::TestbedError;
use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest,
};
use bollard::query_parameters::{
    InspectNetworkOptions, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use std::collections::{BTreeMap, HashMap};

/// A network of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Full id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Its subnets, `address/prefix`.
    pub subnets: Vec<String>,
}

/// The plan of a network: a bridge of the engine.
#[derive(Debug, Clone, Default)]
pub struct NetworkPlan {
    /// Name.
    pub name: String,
    /// Labels. Plumbline's owner label is added.
    pub labels: BTreeMap<String, String>,
    /// Subnet; none lets the engine choose.
    pub subnet: Option<String>,
    /// The engine's own address on it; none for the first of the subnet.
    pub gateway: Option<String>,
    /// Options of the bridge driver, for example `com.docker.network.driver.mtu`.
    pub options: BTreeMap<String, String>,
}

impl Engine {
    /// Networks with all of these labels, sorted by name.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine does not answer.
    pub async fn networks(&self, labels: &[String]) -> Result<Vec<Network>, TestbedError> {
        self.networks_by("label", labels).await
    }

    /// A network by its exact name; none if it does not exist.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine does not answer.
    pub async fn network(&self, name: &str) -> Result<Option<Network>, TestbedError> {
        // The engine's filter matches parts of names.
        let found = self.networks_by("name", &[name.to_owned()]).await?;
        Ok(found.into_iter().find(|network| network.name == name))
    }

    async fn networks_by(&self, filter: &str, values: &[String]) -> Result<Vec<Network>, TestbedError> {
        let filters = HashMap::from([(filter, values.to_vec())]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let found = self.docker.list_networks(Some(options)).await.map_err(|e| self.fault("list networks", &e))?;
        let mut networks: Vec<Network> = found
            .into_iter()
            .map(|network| Network {
                id: network.id.unwrap_or_default(),
                name: network.name.unwrap_or_default(),
                labels: network.labels.unwrap_or_default().into_iter().collect(),
                subnets: network
                    .ipam
                    .and_then(|ipam| ipam.config)
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|c| c.subnet)
                    .collect(),
            })
            .collect();
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(networks)
    }

    /// Creates a network. The caller must record it in the journal before.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be created.
    pub async fn make_network(&self, plan: &NetworkPlan) -> Result<(), TestbedError> {
        let ipam = plan.subnet.clone().map(|subnet| Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(subnet),
                gateway: plan.gateway.clone(),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        });
        let request = NetworkCreateRequest {
            name: plan.name.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(add_owner(&plan.labels)),
            options: Some(plan.options.clone().into_iter().collect()),
            ipam,
            ..NetworkCreateRequest::default()
        };
        let made = self.docker.create_network(request).await;
        made.map(drop).map_err(|error| self.fault(&format!("make network {}", plan.name), &error))
    }

    /// Connects a container to a network, with `address` or one that the engine chooses.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be connected.
    pub async fn connect_network(
        &self,
        network: &str,
        container: &str,
        address: Option<&str>,
    ) -> Result<(), TestbedError> {
        let at = address.map(|address| EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some(address.to_owned()),
                ..EndpointIpamConfig::default()
            }),
            ..EndpointSettings::default()
        });
        let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: at };
        let connected = self.docker.connect_network(network, request).await;
        connected.map_err(|error| self.fault(&format!("connect container {container} to network {network}"), &error))
    }

    /// Disconnects a container from a network. A container that is not connected is no error.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be disconnected.
    pub async fn disconnect_network(&self, network: &str, container: &str) -> Result<(), TestbedError> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        let done = self.docker.disconnect_network(network, request).await;
        let is_off = |error: &_| fault::message(error).contains("is not connected");
        let done = done.or_else(|error| if is_off(&error) { Ok(()) } else { Err(error) });
        self.accept_missing(&format!("disconnect container {container} from network {network}"), done)
    }

    /// Ids of the running containers on a network; empty if the network does not exist.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine does not answer.
    pub async fn on_network(&self, network: &str) -> Result<Vec<String>, TestbedError> {
        match self.docker.inspect_network(network, None::<InspectNetworkOptions>).await {
            Ok(found) => Ok(found.containers.unwrap_or_default().into_keys().collect()),
            Err(error) if fault::is_missing(&error) => Ok(vec![]),
            Err(error) => Err(self.fault(&format!("inspect network {network}"), &error)),
        }
    }

    /// Removes a network. A missing network is no error.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be removed, for example because containers are on it.
    pub async fn remove_network(&self, name: &str) -> Result<(), TestbedError> {
        self.accept_missing(&format!("remove network {name}"), self.docker.remove_network(name).await)
    }

    /// Names of the volumes with all of these labels, each with its value of the label `key`.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine does not answer.
    pub async fn labelled_volumes(
        &self,
        labels: &[String],
        key: &str,
    ) -> Result<Vec<(String, Option<String>)>, TestbedError> {
        let filters = HashMap::from([("label", labels.to_vec())]);
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let found = self.docker.list_volumes(Some(options)).await.map_err(|e| self.fault("list volumes", &e))?;
        let volumes = found.volumes.unwrap_or_default();
        let mut named: Vec<_> =
            volumes.into_iter().map(|mut volume| (volume.name, volume.labels.remove(key))).collect();
        named.sort();
        Ok(named)
    }

    /// Removes a volume. A missing volume is no error.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be removed.
    pub async fn remove_volume(&self, name: &str) -> Result<(), TestbedError> {
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        self.accept_missing(&format!("remove volume {name}"), self.docker.remove_volume(name, Some(options)).await)
    }
}
