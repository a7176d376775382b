//! Queueing disciplines: listing, and replacing that of a link.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use crate::error::Result;
use crate::socket::Netlink;

impl Netlink {
    /// All queueing disciplines of the namespace, in the kernel's order.
    pub fn qdiscs(&mut self) -> Result<Vec<TcMessage>> {
        let question = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
        let answer = self.dump("list queueing disciplines", question)?;
        Ok(answer.into_iter().filter_map(pick!(RouteNetlinkMessage::NewQueueDiscipline(found) => found)).collect())
    }

    /// Replaces the root queueing discipline of a link by one of this kind without options, such as `pfifo`. `ENOENT` for a
    /// kind that the kernel lacks.
    pub fn set_root_qdisc(&mut self, index: u32, kind: &str) -> Result<()> {
        let mut message = TcMessage::default();
        message.header.index = i32::try_from(index).unwrap_or_default();
        message.header.parent = TcHandle::ROOT;
        message.attributes.push(TcAttribute::Kind(kind.to_owned()));
        let what = format!("set queueing discipline {kind} of link {index}");
        self.request(&what, RouteNetlinkMessage::NewQueueDiscipline(message), NLM_F_CREATE | NLM_F_REPLACE)
    }
}
