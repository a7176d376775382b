//! Control frames: sent once, wanting no answer.

use plumbline_core::wire::ProbeEnd;

use super::neighbour::{Port, mac_of};
use super::packets;

/// Sends one by an interface, with these tags, outermost first, and priority bits in the outermost.
///
/// # Errors
/// That it can't be sent; [`ProbeEnd::Unable`].
pub fn send(port: &Port, interface: &str, tags: &[u16], priority: u8, id: &str) -> Result<(), ProbeEnd> {
    let unable = |why: String| ProbeEnd::Unable { why };
    if let Some(tag) = tags.iter().find(|tag| **tag > 4095) {
        return Err(unable(format!("{tag} is no VLAN id")));
    }
    if priority > 7 {
        return Err(unable(format!("priority {priority}; 0 to 7 are there")));
    }
    let link = port.link(interface)?;
    let frame = packets::control(mac_of(&link)?, tags, priority, id);
    port.socket.send(&link, &frame).map_err(|error| unable(error.to_string()))
}
