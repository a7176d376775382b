#!/usr/bin/env bash
# The seed scenario's checks, for kubectl and for chainsaw: check.sh KUBECTL NAMESPACE POD
set -euo pipefail

run=("$1" -n "$2" exec "$3" --)

"${run[@]}" ip -j -d addr | jq -e '
  def link($name): .[] | select(.ifname == $name);
  def holds($name; $address):
    link($name)
    | .linkinfo.info_kind == "macvlan"
      and .operstate == "UP"
      and [.addr_info[] | select(.scope != "link") | "\(.local)/\(.prefixlen)"] == [$address];
  holds("eth1"; "192.168.100.10/24") and holds("eth2"; "192.168.200.10/24")
  and ([link("eth1").link_index, link("eth2").link_index] | .[0] == .[1])
' >/dev/null
"${run[@]}" ip -j route | jq -e '
  def routes($dev): [.[] | select(.dev == $dev) | {dst, gateway, scope, prefsrc}] | sort_by(.dst);
  routes("eth1") == [
      {dst: "10.0.0.0/8", gateway: "192.168.100.1", scope: null, prefsrc: null},
      {dst: "192.168.100.0/24", gateway: null, scope: "link", prefsrc: "192.168.100.10"}]
  and routes("eth2") == [
      {dst: "172.16.0.0/12", gateway: "192.168.200.1", scope: null, prefsrc: null},
      {dst: "192.168.200.0/24", gateway: null, scope: "link", prefsrc: "192.168.200.10"}]
  and [.[] | select(.dst == "default") | .dev] == ["eth0"]
' >/dev/null
