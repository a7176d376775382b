//! Policy routing rules: listing.

use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::socket::Netlink;

impl Netlink {
    /// All rules, IPv4 first, each family in the order in which the kernel consults them.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) with `EOPNOTSUPP` on a kernel built without policy routing.
    pub fn rules(&mut self) -> Result<Vec<RuleMessage>> {
        let mut rules = self.rules_of(AddressFamily::Inet)?;
        rules.extend(self.rules_of(AddressFamily::Inet6)?);
        Ok(rules)
    }

    /// All rules of one family; errors as [`rules`](Self::rules).
    pub fn rules_of(&mut self, family: AddressFamily) -> Result<Vec<RuleMessage>> {
        let mut question = RuleMessage::default();
        question.header.family = family;
        let answer = self.dump("list rules", RouteNetlinkMessage::GetRule(question))?;
        let listed = answer.into_iter().filter_map(|message| match message {
            RouteNetlinkMessage::NewRule(rule) => Some(rule),
            _ => None,
        });
        // A kernel that lacks the family answers with the rules of all the others.
        Ok(listed.filter(|message| message.header.family == family).collect())
    }
}
