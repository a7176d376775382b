#!/bin/bash
# Records the output of different releases of `ip` for the same network namespace.
#
# Usage: unshare -rnm bash record.sh OUT NAME=COMMAND...
#   OUT      folder to write to; one folder NAME per command is made in it
#   COMMAND  how to call that `ip`, for example /usr/sbin/ip or "busybox ip"
# A command whose `ip` has no -j (BusyBox) gives only texts.
set -euo pipefail
out=$1
shift
mount -t tmpfs none /run
ip link set lo up
ip netns add pod
p() { ip -n pod "$@"; }

ip link add br-ex type bridge
ip link set br-ex up
ip link add n0 type veth peer name eth0 netns pod
ip link set n0 up
ip link add eth1 link br-ex netns pod type macvlan mode bridge
ip link add eth2 link br-ex netns pod type macvlan mode bridge
ip link add eth3 link br-ex netns pod type macvlan mode bridge
ip link add eth4 link br-ex netns pod type macvlan mode private

p link set lo up
p link set eth0 address 02:00:00:00:00:01
p link set eth1 address 02:00:00:00:01:01
p link set eth2 address 02:00:00:00:02:01
p link set eth3 address 02:00:00:00:03:01
p link set eth4 address 02:00:00:00:04:01
p link add name va type veth peer name vb
p link set va address 02:00:00:00:0a:01
p link set vb address 02:00:00:00:0b:01
p link add br0 type bridge
p link set br0 address 02:00:00:00:0c:01
p link set vb master br0
for link in eth0 eth1 eth2 va br0; do p link set "$link" up; done
p link set eth1 mtu 1400

p addr add 10.244.0.5/24 brd + dev eth0
p addr add 192.168.100.10/24 dev eth1
p addr add 192.168.100.11/24 dev eth1 label eth1:two
p addr add 192.168.200.10/24 dev eth2
p addr add 10.1.1.1 peer 10.1.1.2/32 dev eth2
p addr add 10.55.0.1/24 dev va
p addr add 2001:db8:100::10/64 dev eth1 nodad
p addr add 2001:db8:100::11/64 dev eth1 nodad preferred_lft 0
p addr add 2001:db8:200::10/64 dev eth2 nodad
p addr add 2001:db8:200::1/128 dev eth2 nodad

p route add default via 10.244.0.1 dev eth0
p route add 10.0.0.0/8 via 192.168.100.1 dev eth1
p route add 172.16.0.0/12 via 192.168.200.1 dev eth2 metric 50
p route add 10.9.0.0/16 nexthop via 192.168.100.1 dev eth1 weight 2 nexthop via 192.168.200.1 dev eth2
p route add 10.10.0.0/16 via 203.0.113.1 dev eth1 onlink
p route add 10.11.0.0/16 dev eth1 scope link src 192.168.100.10
p route add 10.12.0.0/16 via 192.168.100.1 dev eth1 proto static mtu 1300 advmss 1260
p route add 10.13.0.7 via 192.168.100.1 dev eth1 proto bird
p route add 10.14.0.0/16 via inet6 fe80::1 dev eth1
p route add blackhole 10.20.0.0/16
p route add unreachable 10.21.0.0/16 metric 7
p route add prohibit 10.22.0.0/16
p route add throw 10.23.0.0/16 table 100
p route add default via 192.168.100.1 dev eth1 table 100
p route add 10.60.0.0/16 via 10.55.0.2 dev va
p nexthop add id 7 via 192.168.200.1 dev eth2
p route add 10.61.0.0/16 nhid 7
p -6 route add default via 2001:db8:100::1 dev eth1
p -6 route add 2001:db8:9::/48 nexthop via 2001:db8:100::1 dev eth1 nexthop via 2001:db8:200::fe dev eth2 weight 3
p -6 route add 2001:db8:a::/48 via fe80::1 dev eth2 metric 10 table 1000
p -6 route add blackhole 2001:db8:b::/48
p -6 route add unreachable 2001:db8:c::/48
p -6 route add 2001:db8:d::/48 dev eth1 src 2001:db8:100::10
p rule add from 192.168.100.10 lookup 100 prio 100
p rule add fwmark 0x10/0x10 lookup 100 prio 600
p rule add iif eth1 to 10.0.0.0/8 lookup 200 prio 700
p rule add not from 10.0.0.0/8 lookup 1000 prio 800
p rule add from 10.77.0.0/16 blackhole prio 900
p -6 rule add from 2001:db8:200::10 lookup 1000 prio 101

# An address that another host has: dadfailed. The far side of the bridge answers for it.
ip link add eth9 link br-ex type macvlan mode bridge
ip link set eth9 up
ip addr add 2001:db8:300::66/64 dev eth9 nodad
p link set eth3 up
p addr add 2001:db8:300::66/64 dev eth3
for _ in $(seq 50); do
  p addr show dev eth3 | grep -q dadfailed && break
  sleep 0.1
done
# An address that is still tentative, on a link that is down.
p addr add 2001:db8:300::67/64 dev eth4

for pair in "$@"; do
  name=${pair%%=*}
  command=${pair#*=}
  folder=$out/$name
  mkdir -p "$folder"
  run() { nsenter --net=/run/netns/pod $command "$@"; }
  $command -V >"$folder/version.txt" 2>/dev/null || true
  run a >"$folder/addr.txt"
  run route >"$folder/route.txt"
  run route show table all >"$folder/route-all.txt"
  run -6 route >"$folder/route6.txt"
  run rule >"$folder/rule.txt"
  run -6 rule >"$folder/rule6.txt"
  if run -j addr >/dev/null 2>&1; then
    run -d a >"$folder/addr-d.txt"
    run -6 route show table all >"$folder/route6-all.txt"
    run -j -d addr >"$folder/addr.json"
    run -j -d -4 route show table all >"$folder/route4.json"
    run -j -d -6 route show table all >"$folder/route6.json"
    run -j -4 rule >"$folder/rule4.json"
    run -j -6 rule >"$folder/rule6.json"
  fi
done
