#!/usr/bin/env bash
# For each line on standard input: waits until the kernel is through with network namespaces that were thrown away
# before, then prints "settled". It takes them down in the background and one after another (cleanup_net in
# net/core/net_namespace.c), some 50 ms each, and whoever deletes links meanwhile waits for it: without this a turn would
# pay for the one before it. Wants network and mount namespaces of its own.
set -euo pipefail

mount -t tmpfs tmpfs /run
while read -r _; do
  # Our end of the pair goes when its namespace is taken down, which is after all others before it.
  ip netns add last
  ip link add end0 type veth peer name end1 netns last
  ip netns del last
  while ip link show end0 >/dev/null 2>&1; do :; done
  # What follows then in the background ends with an RCU barrier; deleting a link waits for that one, too.
  ip link add end0 type bridge
  ip link del end0
  echo settled
done
