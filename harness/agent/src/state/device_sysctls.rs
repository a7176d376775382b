//! The sysctls of a device as netlink reports them with the device (`IFLA_AF_SPEC`), by the names of their files.

use plumbline_netlink::packet::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, Inet6DevConf, InetDevConf, LinkAttribute, LinkMessage,
};

/// A field of netlink's list in milliseconds whose file has seconds (`proc_dointvec_jiffies`, net/ipv6/addrconf.c).
const MILLISECONDS_A_SECOND: i32 = 1000;

/// The sysctls of a device: family (`ipv4`, `ipv6`), name, value.
pub fn device_sysctls(message: &LinkMessage) -> Vec<(&'static str, &'static str, i32)> {
    let mut found = Vec::new();
    for attribute in &message.attributes {
        let LinkAttribute::AfSpecUnspec(families) = attribute else { continue };
        for family in families {
            match family {
                AfSpecUnspec::Inet(parts) => {
                    for part in parts {
                        if let AfSpecInet::DevConf(conf) = part {
                            found.extend(ipv4_values(conf).map(|(name, value)| ("ipv4", name, value)));
                        }
                    }
                }
                AfSpecUnspec::Inet6(parts) => {
                    for part in parts {
                        if let AfSpecInet6::DevConf(conf) = part {
                            found.extend(ipv6_values(conf).map(|(name, value)| ("ipv6", name, value)));
                        }
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// Pairs of a file's name and the field's value; the field has the file's name unless another one is given.
macro_rules! values {
    ($conf:expr; $($name:ident $(= $field:ident)? $(/ $divisor:expr)?),+ $(,)?) => {
        [$((stringify!($name), values!(@field $conf, $name $(= $field)?) $(/ $divisor)?)),+]
    };
    (@field $conf:expr, $name:ident = $field:ident) => { $conf.$field };
    (@field $conf:expr, $name:ident) => { $conf.$name };
}

/// `IPV4_DEVCONF_*` of `linux/ip.h`; the files' names are in net/ipv4/devinet.c.
fn ipv4_values(conf: &InetDevConf) -> impl Iterator<Item = (&'static str, i32)> + use<> {
    values![conf;
        forwarding, mc_forwarding, proxy_arp, accept_redirects, secure_redirects, send_redirects, shared_media, rp_filter,
        accept_source_route, bootp_relay, log_martians, tag, arp_filter = arpfilter, medium_id, disable_xfrm = noxfrm,
        disable_policy = nopolicy, force_igmp_version, arp_announce, arp_ignore, promote_secondaries, arp_accept,
        arp_notify, accept_local, src_valid_mark = src_vmark, proxy_arp_pvlan, route_localnet,
        igmpv2_unsolicited_report_interval, igmpv3_unsolicited_report_interval, ignore_routes_with_linkdown,
        drop_unicast_in_l2_multicast, drop_gratuitous_arp, bc_forwarding, arp_evict_nocarrier,
    ]
    .into_iter()
}

/// `DEVCONF_*` of `linux/ipv6.h`; the files' names are in net/ipv6/addrconf.c. `stable_secret` has no value there.
fn ipv6_values(conf: &Inet6DevConf) -> impl Iterator<Item = (&'static str, i32)> + use<> {
    values![conf;
        forwarding, hop_limit = hoplimit, mtu = mtu6, accept_ra, accept_redirects, autoconf, dad_transmits,
        router_solicitations = rtr_solicits,
        router_solicitation_interval = rtr_solicit_interval / MILLISECONDS_A_SECOND,
        router_solicitation_delay = rtr_solicit_delay / MILLISECONDS_A_SECOND,
        router_solicitation_max_interval = rtr_solicit_max_interval / MILLISECONDS_A_SECOND,
        router_probe_interval = rtr_probe_interval / MILLISECONDS_A_SECOND,
        use_tempaddr, temp_valid_lft, temp_prefered_lft, regen_max_retry, max_desync_factor, max_addresses,
        force_mld_version, accept_ra_defrtr, accept_ra_pinfo, accept_ra_rtr_pref, accept_ra_rt_info_max_plen, proxy_ndp,
        optimistic_dad, accept_source_route, mc_forwarding, disable_ipv6, accept_dad, force_tllao, ndisc_notify,
        mldv1_unsolicited_report_interval, mldv2_unsolicited_report_interval, suppress_frag_ndisc, accept_ra_from_local,
        use_optimistic, accept_ra_mtu, use_oif_addrs_only, accept_ra_min_hop_limit, ignore_routes_with_linkdown,
        drop_unicast_in_l2_multicast, drop_unsolicited_na, keep_addr_on_down, seg6_enabled, seg6_require_hmac,
        enhanced_dad, addr_gen_mode, disable_policy, accept_ra_rt_info_min_plen, ndisc_tclass, rpl_seg_enabled,
        ra_defrtr_metric, ioam6_enabled, ioam6_id, ioam6_id_wide, ndisc_evict_nocarrier, accept_untracked_na,
        accept_ra_min_lft, force_forwarding,
    ]
    .into_iter()
}
