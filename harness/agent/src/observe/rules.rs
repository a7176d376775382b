//! Policy routing rules, from netlink to the model.

use std::net::IpAddr;

use ipnet::IpNet;
use plumbline_core::observe::Rule;
use plumbline_netlink::packet::AddressFamily;
use plumbline_netlink::packet::rule::{RuleAction, RuleAttribute, RuleMessage};

/// The mask in force where a rule names none.
const WHOLE_MARK: u32 = u32::MAX;

/// One rule.
#[must_use]
pub fn rule(message: &RuleMessage) -> Rule {
    let mut rule = Rule {
        v6: message.header.family == AddressFamily::Inet6,
        priority: 0,
        from: None,
        to: None,
        fwmark: None,
        iif: None,
        oif: None,
        table: u32::from(message.header.table),
    };
    let (mut mark, mut mask) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Source(address) => rule.from = net(*address, message.header.src_len),
            RuleAttribute::Destination(address) => rule.to = net(*address, message.header.dst_len),
            RuleAttribute::FwMark(value) => mark = Some(*value),
            RuleAttribute::FwMask(value) => mask = Some(*value),
            RuleAttribute::Iifname(name) => rule.iif = Some(name.clone()),
            RuleAttribute::Oifname(name) => rule.oif = Some(name.clone()),
            RuleAttribute::Table(table) => rule.table = *table,
            _ => {}
        }
    }
    // The kernel sends a mask also where no mark is set, and a mark of 0 counts when its mask is not whole.
    rule.fwmark = match (mark, mask) {
        (Some(mark), mask) if mark != 0 || mask.is_some_and(|mask| mask != 0) => {
            Some((mark, mask.unwrap_or(WHOLE_MARK)))
        }
        _ => None,
    };
    if message.header.action != RuleAction::ToTable {
        rule.table = 0;
    }
    rule
}

fn net(address: IpAddr, length: u8) -> Option<IpNet> {
    IpNet::new(address, length).ok()
}
