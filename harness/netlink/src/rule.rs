//! Policy routing rules: listing, adding, deleting.

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::address::family;
use crate::error::Result;
use crate::socket::Netlink;

/// A new rule: matching packets use a table.
#[derive(Debug, Clone)]
pub struct NewRule {
    family: AddressFamily,
    table: u32,
    priority: u32,
    from: Option<IpNet>,
    to: Option<IpNet>,
    mark: Option<(u32, u32)>,
    action: RuleAction,
}

impl NewRule {
    /// A rule for every packet of this family. Rules apply in the order of their priorities, smaller ones first.
    pub fn all(family: AddressFamily, table: u32, priority: u32) -> Self {
        Self { family, table, priority, from: None, to: None, mark: None, action: RuleAction::ToTable }
    }

    /// A rule for packets from these addresses.
    pub fn from(addresses: IpNet, table: u32, priority: u32) -> Self {
        Self { from: Some(addresses), ..Self::all(family(addresses.addr()), table, priority) }
    }

    /// A rule for packets to these addresses.
    pub fn to(addresses: IpNet, table: u32, priority: u32) -> Self {
        Self { to: Some(addresses), ..Self::all(family(addresses.addr()), table, priority) }
    }

    /// Only packets that carry this mark, compared under the mask.
    pub fn mark(mut self, mark: u32, mask: u32) -> Self {
        self.mark = Some((mark, mask));
        self
    }

    /// Sets the action; otherwise matching packets use the table. A blackhole has table 0.
    pub fn action(mut self, action: RuleAction) -> Self {
        self.action = action;
        self
    }

    /// Whether a listed rule is this one.
    pub fn is(&self, listed: &RuleMessage) -> bool {
        listed.header.family == self.family
            && table(listed) == self.table
            && priority(listed) == self.priority
            && source(listed) == self.from
            && destination(listed) == self.to
            && listed_mark(listed) == self.mark
            && listed.header.action == self.action
    }

    fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = self.family;
        message.header.action = self.action;
        // The header's field has one byte; the attribute holds any table and wins.
        message.header.table = u8::try_from(self.table).unwrap_or_default();
        message.header.src_len = self.from.map_or(0, |net| net.prefix_len());
        message.header.dst_len = self.to.map_or(0, |net| net.prefix_len());
        let attributes = &mut message.attributes;
        attributes.push(RuleAttribute::Table(self.table));
        attributes.push(RuleAttribute::Priority(self.priority));
        attributes.extend(self.from.map(|net| RuleAttribute::Source(net.network())));
        attributes.extend(self.to.map(|net| RuleAttribute::Destination(net.network())));
        if let Some((mark, mask)) = self.mark {
            attributes.extend([RuleAttribute::FwMark(mark), RuleAttribute::FwMask(mask)]);
        }
        message
    }
}

/// The priority of a listed rule; the first rule has none, which is 0.
pub fn priority(message: &RuleMessage) -> u32 {
    message.attributes.iter().find_map(pick!(RuleAttribute::Priority(priority) => *priority)).unwrap_or_default()
}

/// The table of a listed rule.
pub fn table(message: &RuleMessage) -> u32 {
    let listed = message.attributes.iter().find_map(pick!(RuleAttribute::Table(table) => *table));
    listed.unwrap_or_else(|| message.header.table.into())
}

/// The source addresses of a listed rule; none for all.
pub fn source(message: &RuleMessage) -> Option<IpNet> {
    let address = message.attributes.iter().find_map(pick!(RuleAttribute::Source(address) => *address))?;
    IpNet::new(address, message.header.src_len).ok()
}

/// The destination addresses of a listed rule; none for all.
pub fn destination(message: &RuleMessage) -> Option<IpNet> {
    let address = message.attributes.iter().find_map(pick!(RuleAttribute::Destination(address) => *address))?;
    IpNet::new(address, message.header.dst_len).ok()
}

fn listed_mark(message: &RuleMessage) -> Option<(u32, u32)> {
    let mark = message.attributes.iter().find_map(pick!(RuleAttribute::FwMark(mark) => *mark));
    let mask = message.attributes.iter().find_map(pick!(RuleAttribute::FwMask(mask) => *mask));
    mark.map(|mark| (mark, mask.unwrap_or(u32::MAX)))
}

impl Netlink {
    /// All rules, IPv4 first, each family in the order in which the kernel applies them.
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
        let listed = answer.into_iter().filter_map(pick!(RouteNetlinkMessage::NewRule(rule) => rule));
        // A kernel that lacks the family answers with the rules of all the others.
        Ok(listed.filter(|message| message.header.family == family).collect())
    }

    /// Adds a rule; `EEXIST` if the same rule exists.
    pub fn add_rule(&mut self, new: &NewRule) -> Result<()> {
        let what = format!("add rule {} to table {}", new.priority, new.table);
        self.request(&what, RouteNetlinkMessage::NewRule(new.message()), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Deletes a rule that was listed; `ENOENT` if it was removed.
    pub fn delete_rule(&mut self, listed: &RuleMessage) -> Result<()> {
        let what = format!("delete rule {} to table {}", priority(listed), table(listed));
        let mut message = listed.clone();
        message.header.flags = Default::default();
        self.request(&what, RouteNetlinkMessage::DelRule(message), 0)
    }
}
