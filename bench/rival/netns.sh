#!/usr/bin/env bash
# The seed scenario by shell, for comparison with the netns lane: ip netns, cnitool, ip -j and jq. It is written to be
# fast.
#
#   unshare --net --mount rival/netns.sh CNITOOL PLUGINS NETWORKS      (as root)
#   unshare --user --map-root-user --net --mount rival/netns.sh ...    (as an ordinary user)
#
# CNITOOL is the program, PLUGINS the folder with the plugin binaries, NETWORKS a folder with the configurations
# cni-loopback, plumbline-default, management-net and sip-net. It needs network and mount namespaces of its own, so
# that the host is unchanged. Prints "verdict" after the checks, then deletes what it added.
# Exit code 0: all checks passed and everything is deleted.
set -euo pipefail

cnitool=$1
export CNI_PATH=$2 NETCONFPATH=$3
pod=/run/netns/pod
networks=(lo=cni-loopback eth0=plumbline-default eth1=management-net eth2=sip-net)

# Folders that plugins, cnitool and ip write to.
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib

# A fixed index, because the pod sees the parent of a macvlan by its index.
br_ex=100
ip link add br-ex index "$br_ex" type bridge
ip link set br-ex up
ip netns add pod

for one in "${networks[@]}"; do
  CNI_IFNAME=${one%%=*} "$cnitool" add "${one#*=}" "$pod" >/dev/null
done

# One call of ip and one of jq for links and addresses, and one each for routes: the processes take most of the time.
ip -n pod -j -d addr | jq -e --argjson br_ex "$br_ex" '
  def link($name): .[] | select(.ifname == $name);
  def holds($name; $address):
    link($name)
    | .linkinfo.info_kind == "macvlan"
      and .link_index == $br_ex
      and .operstate == "UP"
      and [.addr_info[] | select(.scope != "link") | "\(.local)/\(.prefixlen)"] == [$address];
  holds("eth1"; "192.168.100.10/24") and holds("eth2"; "192.168.200.10/24")
' >/dev/null
ip -n pod -j route | jq -e '
  def routes($dev): [.[] | select(.dev == $dev) | {dst, gateway, scope, prefsrc}] | sort_by(.dst);
  routes("eth1") == [
      {dst: "10.0.0.0/8", gateway: "192.168.100.1", scope: null, prefsrc: null},
      {dst: "192.168.100.0/24", gateway: null, scope: "link", prefsrc: "192.168.100.10"}]
  and routes("eth2") == [
      {dst: "172.16.0.0/12", gateway: "192.168.200.1", scope: null, prefsrc: null},
      {dst: "192.168.200.0/24", gateway: null, scope: "link", prefsrc: "192.168.200.10"}]
  and [.[] | select(.dst == "default") | .dev] == ["eth0"]
' >/dev/null
echo verdict

for ((i = ${#networks[@]} - 1; i >= 0; i--)); do
  one=${networks[i]}
  CNI_IFNAME=${one%%=*} "$cnitool" del "${one#*=}" "$pod"
done
ip netns del pod
