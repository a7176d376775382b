//! Queueing disciplines: listing.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::TcMessage;

use crate::error::Result;
use crate::socket::Netlink;

impl Netlink {
    /// All queueing disciplines of the namespace, in the kernel's order.
    pub fn qdiscs(&mut self) -> Result<Vec<TcMessage>> {
        let question = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
        let answer = self.dump("list queueing disciplines", question)?;
        Ok(answer.into_iter().filter_map(pick!(RouteNetlinkMessage::NewQueueDiscipline(found) => found)).collect())
    }
}
