#!/usr/bin/env bash
# For each line on standard input: waits until the kernel has removed the network namespaces that ended before, then
# prints "done". The kernel removes them in the background, one after another (cleanup_net in
# net/core/net_namespace.c), in some 50 ms each, and a deletion of links meanwhile waits for it. Without this script a
# turn would take the time of the previous one. It needs network and mount namespaces of its own.
set -euo pipefail

mount -t tmpfs tmpfs /run
while read -r _; do
  # This end of the pair disappears when the namespace is removed, which is after all earlier ones.
  ip netns add last
  ip link add end0 type veth peer name end1 netns last
  ip netns del last
  while ip link show end0 >/dev/null 2>&1; do :; done
  # The removal ends with an RCU barrier; deleting a link waits for that too.
  ip link add end0 type bridge
  ip link del end0
  echo done
done
