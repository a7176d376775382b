# Configures a node's second interface as in a cloud: it has no address of the engine, and the node's default route on its first
# interface leads to the router. `check` prints the first fault, or "good"; `make` first configures the node.
# Arguments: check or make, the second interface, the router's address on the nodes' network.
set -eu
what=$1 eni=$2 router=$3
# Lists the engine's addresses. The CNI plugin's addresses on the link have the prefix /32.
list_foreign() { ip -o -4 addr show dev "$eni" scope global | awk '$4 !~ "/32$" { print $4 }'; }
show_default() { ip -4 route show default; }
if [ "$what" = make ]; then
    for address in $(list_foreign); do ip addr del "$address" dev "$eni"; done
    ip link set dev "$eni" up
    echo 0 > "/proc/sys/net/ipv4/conf/$eni/rp_filter"
    # Proxy answers for pods' addresses have no delay. The kernel's default delay lets other hosts answer first.
    echo 0 > "/proc/sys/net/ipv4/neigh/$eni/proxy_delay"
    ip -4 route replace default via "$router" dev eth0
fi
[ -z "$(list_foreign)" ] || { echo "$eni has an address of the engine"; exit 0; }
ip -o link show dev "$eni" up | grep -q . || { echo "$eni is down"; exit 0; }
[ "$(cat "/proc/sys/net/ipv4/neigh/$eni/proxy_delay")" = 0 ] || { echo "$eni answers late"; exit 0; }
case "$(show_default)" in
    "default via $router dev eth0"*) ;;
    *) echo "expected a default route via the router $router, found: $(show_default | head -n 1)"; exit 0 ;;
esac
echo good
