//! The four calls of Terway's daemon (`rpc/rpc.proto`, service `TerwayBackend`), as `daemon/daemon.go` answers them for a
//! pod on an ENI with several addresses.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tonic::{Request, Response, Status};

use crate::allocations::Allocations;
use crate::log;
use plumbline_terway_plugin::result::Reported;

/// The code that is generated from `rpc/rpc.proto`.
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod rpc {
    tonic::include_proto!("rpc");
}

use rpc::terway_backend_server::TerwayBackend;
use rpc::{
    AllocIpReply, AllocIpRequest, BasicInfo, EniInfo, EventReply, EventRequest, GetInfoReply, GetInfoRequest, IpSet,
    IpType, NetConf, ReleaseIpReply, ReleaseIpRequest,
};

/// The daemon.
pub struct Backend {
    allocations: Mutex<Allocations>,
}

impl Backend {
    /// A daemon with these allocations.
    pub fn new(allocations: Allocations) -> Self {
        Self { allocations: Mutex::new(allocations) }
    }

    fn lock(&self) -> MutexGuard<'_, Allocations> {
        self.allocations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One text of each family.
fn ip_set(texts: impl Iterator<Item = (bool, String)>) -> IpSet {
    let mut set = IpSet::default();
    for (is_v4, text) in texts {
        *(if is_v4 { &mut set.i_pv4 } else { &mut set.i_pv6 }) = text;
    }
    set
}

fn families(addresses: &[Reported]) -> (bool, bool) {
    let has = |v4: bool| addresses.iter().any(|one| one.gateway.is_ipv4() == v4);
    (has(true), has(false))
}

/// The pod's one interface: its addresses, their subnets, the next hop, and the ENI.
fn net_conf(addresses: &[Reported], mac: &str) -> NetConf {
    let each = |text: fn(&Reported) -> String| ip_set(addresses.iter().map(|one| (one.gateway.is_ipv4(), text(one))));
    NetConf {
        basic_info: Some(BasicInfo {
            pod_ip: Some(each(|one| one.address.addr().to_string())),
            pod_cidr: Some(each(|one| one.address.trunc().to_string())),
            gateway_ip: Some(each(|one| one.gateway.to_string())),
            // The plugin requires this field even if the node has no service range.
            service_cidr: Some(IpSet::default()),
        }),
        eni_info: Some(EniInfo { mac: mac.to_owned(), ..EniInfo::default() }),
        default_route: true,
        ..NetConf::default()
    }
}

#[tonic::async_trait]
impl TerwayBackend for Backend {
    async fn alloc_ip(&self, request: Request<AllocIpRequest>) -> Result<Response<AllocIpReply>, Status> {
        let request = request.into_inner();
        let mut allocations = self.lock();
        let addresses =
            allocations.allocate(&request.k8s_pod_infra_container_id).map_err(Status::resource_exhausted)?;
        let (i_pv4, i_pv6) = families(&addresses);
        let texts: Vec<String> = addresses.iter().map(|one| one.address.to_string()).collect();
        log(&format!("{}/{} has {}", request.k8s_pod_namespace, request.k8s_pod_name, texts.join(", ")));
        let net_confs = vec![net_conf(&addresses, allocations.mac())];
        Ok(Response::new(AllocIpReply {
            success: true,
            ip_type: IpType::TypeEniMultiIp.into(),
            i_pv4,
            i_pv6,
            net_confs,
        }))
    }

    async fn release_ip(&self, request: Request<ReleaseIpRequest>) -> Result<Response<ReleaseIpReply>, Status> {
        let request = request.into_inner();
        self.lock().release(&request.k8s_pod_infra_container_id).map_err(Status::internal)?;
        log(&format!("{}/{} has no address", request.k8s_pod_namespace, request.k8s_pod_name));
        Ok(Response::new(ReleaseIpReply { success: true, ..ReleaseIpReply::default() }))
    }

    async fn get_ip_info(&self, request: Request<GetInfoRequest>) -> Result<Response<GetInfoReply>, Status> {
        let request = request.into_inner();
        let allocations = self.lock();
        let mut reply =
            GetInfoReply { success: true, ip_type: IpType::TypeEniMultiIp.into(), ..GetInfoReply::default() };
        if let Some(addresses) = allocations.find(&request.k8s_pod_infra_container_id) {
            (reply.i_pv4, reply.i_pv6) = families(addresses);
            reply.net_confs = vec![net_conf(addresses, allocations.mac())];
        }
        Ok(Response::new(reply))
    }

    async fn record_event(&self, request: Request<EventRequest>) -> Result<Response<EventReply>, Status> {
        let event = request.into_inner();
        log(&format!(
            "event {} of {}/{}: {}",
            event.reason, event.k8s_pod_namespace, event.k8s_pod_name, event.message
        ));
        Ok(Response::new(EventReply { succeed: true, ..EventReply::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(folder: &std::path::Path) -> Backend {
        let file = folder.join("settings.json");
        let text = format!(
            r#"{{"eni":{{"link":"lo","gateway":"10.77.0.1","gateway6":"2001:db8::1","table":null}},
                "pool":"10.77.0.16/30","pool6":"2001:db8::10/126","subnet":"10.77.0.0/24","subnet6":null,
                "leases":"{}"}}"#,
            folder.join("leases").display()
        );
        std::fs::write(&file, text).unwrap();
        Backend::new(Allocations::open(&file).unwrap())
    }

    fn alloc_request(sandbox: &str) -> Request<AllocIpRequest> {
        Request::new(AllocIpRequest { k8s_pod_infra_container_id: sandbox.to_owned(), ..AllocIpRequest::default() })
    }

    async fn get_info(backend: &Backend, sandbox: &str) -> GetInfoReply {
        let k8s_pod_infra_container_id = sandbox.to_owned();
        let request = GetInfoRequest { k8s_pod_infra_container_id, ..GetInfoRequest::default() };
        backend.get_ip_info(Request::new(request)).await.unwrap().into_inner()
    }

    #[tokio::test]
    async fn a_sandbox_has_its_addresses_until_they_are_released() {
        let folder = tempfile::tempdir().unwrap();
        let backend = backend(folder.path());
        let got = backend.alloc_ip(alloc_request("a")).await.unwrap().into_inner();
        assert!(got.success && got.i_pv4 && got.i_pv6 && got.ip_type == i32::from(IpType::TypeEniMultiIp));
        let [conf] = got.net_confs.as_slice() else { panic!("one interface, not {:?}", got.net_confs) };
        let basic = conf.basic_info.clone().unwrap();
        let text = |set: Option<IpSet>| set.map(|set| [set.i_pv4, set.i_pv6]).unwrap();
        assert_eq!(text(basic.pod_ip), ["10.77.0.17", "2001:db8::11"]);
        assert_eq!(text(basic.pod_cidr), ["10.77.0.0/24", "2001:db8::10/126"]);
        assert_eq!(text(basic.gateway_ip), ["10.77.0.1", "2001:db8::1"]);
        assert_eq!(conf.eni_info.clone().unwrap().mac, "00:00:00:00:00:00", "the link's own: lo has this");
        assert!(conf.default_route);
        assert_eq!(backend.alloc_ip(alloc_request("a")).await.unwrap().into_inner().net_confs, got.net_confs);
        assert_eq!(get_info(&backend, "a").await.net_confs, got.net_confs);

        let k8s_pod_infra_container_id = "a".to_owned();
        let back = ReleaseIpRequest { k8s_pod_infra_container_id, ..ReleaseIpRequest::default() };
        assert!(backend.release_ip(Request::new(back)).await.unwrap().into_inner().success);
        assert!(get_info(&backend, "a").await.net_confs.is_empty());
    }

    #[tokio::test]
    async fn a_used_up_pool_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let backend = backend(folder.path());
        for sandbox in ["a", "b"] {
            backend.alloc_ip(alloc_request(sandbox)).await.unwrap();
        }
        let refused = backend.alloc_ip(alloc_request("c")).await.unwrap_err();
        assert!(refused.message().contains("no address is left in the pool 10.77.0.16/30"), "{refused}");
    }
}
