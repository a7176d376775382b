//! The four calls of Terway's daemon (`rpc/rpc.proto`, service `TerwayBackend`), as `daemon/daemon.go` answers them for a
//! pod on an ENI with several addresses.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tonic::{Request, Response, Status};

use crate::book::{Book, Given};
use crate::say;

/// What is made of `rpc/rpc.proto`.
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
    book: Mutex<Book>,
}

impl Backend {
    /// On this book.
    pub fn new(book: Book) -> Self {
        Self { book: Mutex::new(book) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One text of each family.
fn set(texts: impl Iterator<Item = (bool, String)>) -> IpSet {
    let mut set = IpSet::default();
    for (is_v4, text) in texts {
        *(if is_v4 { &mut set.i_pv4 } else { &mut set.i_pv6 }) = text;
    }
    set
}

fn families(given: &Given) -> (bool, bool) {
    let has = |v4: bool| given.addresses.iter().any(|(address, _)| address.addr().is_ipv4() == v4);
    (has(true), has(false))
}

/// The pod's one interface: its addresses, their subnets, the next hop, and by which ENI.
fn conf(given: &Given, mac: &str) -> NetConf {
    let each = |text: fn(&(IpNet, IpAddr)) -> String| {
        set(given.addresses.iter().map(|one| (one.0.addr().is_ipv4(), text(one))))
    };
    NetConf {
        basic_info: Some(BasicInfo {
            pod_ip: Some(each(|(address, _)| address.addr().to_string())),
            pod_cidr: Some(each(|(address, _)| address.trunc().to_string())),
            gateway_ip: Some(each(|(_, gateway)| gateway.to_string())),
            // Asked for by the plugin, also where a node has no service range of its own.
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
        let asked = request.into_inner();
        let mut book = self.book();
        let given = book.give(&asked.k8s_pod_infra_container_id).map_err(Status::resource_exhausted)?;
        let (i_pv4, i_pv6) = families(&given);
        say(&format!("{}/{} has {:?}", asked.k8s_pod_namespace, asked.k8s_pod_name, given.addresses));
        let net_confs = vec![conf(&given, book.mac())];
        Ok(Response::new(AllocIpReply {
            success: true,
            ip_type: IpType::TypeEniMultiIp.into(),
            i_pv4,
            i_pv6,
            net_confs,
        }))
    }

    async fn release_ip(&self, request: Request<ReleaseIpRequest>) -> Result<Response<ReleaseIpReply>, Status> {
        let asked = request.into_inner();
        self.book().take_back(&asked.k8s_pod_infra_container_id).map_err(Status::internal)?;
        say(&format!("{}/{} has nothing any more", asked.k8s_pod_namespace, asked.k8s_pod_name));
        Ok(Response::new(ReleaseIpReply { success: true, ..ReleaseIpReply::default() }))
    }

    async fn get_ip_info(&self, request: Request<GetInfoRequest>) -> Result<Response<GetInfoReply>, Status> {
        let asked = request.into_inner();
        let book = self.book();
        let mut reply =
            GetInfoReply { success: true, ip_type: IpType::TypeEniMultiIp.into(), ..GetInfoReply::default() };
        if let Some(given) = book.of(&asked.k8s_pod_infra_container_id) {
            (reply.i_pv4, reply.i_pv6) = families(given);
            reply.net_confs = vec![conf(given, book.mac())];
        }
        Ok(Response::new(reply))
    }

    async fn record_event(&self, request: Request<EventRequest>) -> Result<Response<EventReply>, Status> {
        let event = request.into_inner();
        say(&format!(
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
        Backend::new(Book::open(&file).unwrap())
    }

    fn asks(sandbox: &str) -> Request<AllocIpRequest> {
        Request::new(AllocIpRequest { k8s_pod_infra_container_id: sandbox.to_owned(), ..AllocIpRequest::default() })
    }

    async fn known(backend: &Backend, sandbox: &str) -> GetInfoReply {
        let k8s_pod_infra_container_id = sandbox.to_owned();
        let asked = GetInfoRequest { k8s_pod_infra_container_id, ..GetInfoRequest::default() };
        backend.get_ip_info(Request::new(asked)).await.unwrap().into_inner()
    }

    #[tokio::test]
    async fn a_sandbox_has_its_addresses_until_it_gives_them_back() {
        let folder = tempfile::tempdir().unwrap();
        let backend = backend(folder.path());
        let got = backend.alloc_ip(asks("a")).await.unwrap().into_inner();
        assert!(got.success && got.i_pv4 && got.i_pv6 && got.ip_type == i32::from(IpType::TypeEniMultiIp));
        let [conf] = got.net_confs.as_slice() else { panic!("one interface, not {:?}", got.net_confs) };
        let basic = conf.basic_info.clone().unwrap();
        let text = |set: Option<IpSet>| set.map(|set| [set.i_pv4, set.i_pv6]).unwrap();
        assert_eq!(text(basic.pod_ip), ["10.77.0.17", "2001:db8::11"]);
        assert_eq!(text(basic.pod_cidr), ["10.77.0.0/24", "2001:db8::10/126"]);
        assert_eq!(text(basic.gateway_ip), ["10.77.0.1", "2001:db8::1"]);
        assert_eq!(conf.eni_info.clone().unwrap().mac, "00:00:00:00:00:00", "the link's own: lo has this");
        assert!(conf.default_route);
        assert_eq!(backend.alloc_ip(asks("a")).await.unwrap().into_inner().net_confs, got.net_confs);
        assert_eq!(known(&backend, "a").await.net_confs, got.net_confs);

        let k8s_pod_infra_container_id = "a".to_owned();
        let back = ReleaseIpRequest { k8s_pod_infra_container_id, ..ReleaseIpRequest::default() };
        assert!(backend.release_ip(Request::new(back)).await.unwrap().into_inner().success);
        assert!(known(&backend, "a").await.net_confs.is_empty());
    }

    #[tokio::test]
    async fn a_pool_that_is_used_up_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let backend = backend(folder.path());
        for sandbox in ["a", "b"] {
            backend.alloc_ip(asks(sandbox)).await.unwrap();
        }
        let refused = backend.alloc_ip(asks("c")).await.unwrap_err();
        assert!(refused.message().contains("no address is left in the pool 10.77.0.16/30"), "{refused}");
    }
}
