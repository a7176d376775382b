# A node's second interface as a cloud's: no address of its own, and all that leaves the node by its first interface goes to
# the router, as in a cloud. With `check` it says what is wanting; with `make` it makes it so.
# Arguments: check or make, the second interface, the router's address on the nodes' network.
set -eu
what=$1 eni=$2 router=$3
# Of the engine; /32 ones are those that the CNI plugin lays on the link.
foreign() { ip -o -4 addr show dev "$eni" scope global | awk '$4 !~ "/32$" { print $4 }'; }
default() { ip -4 route show default; }
if [ "$what" = make ]; then
    for address in $(foreign); do ip addr del "$address" dev "$eni"; done
    ip link set dev "$eni" up
    echo 0 > "/proc/sys/net/ipv4/conf/$eni/rp_filter"
    # Answers for pods' addresses are given at once, and not after a while as to be polite to others who may.
    echo 0 > "/proc/sys/net/ipv4/neigh/$eni/proxy_delay"
    ip -4 route replace default via "$router" dev eth0
fi
[ -z "$(foreign)" ] || { echo "$eni has an address of the engine's"; exit 0; }
ip -o link show dev "$eni" up | grep -q . || { echo "$eni is down"; exit 0; }
[ "$(cat "/proc/sys/net/ipv4/neigh/$eni/proxy_delay")" = 0 ] || { echo "$eni answers late"; exit 0; }
case "$(default)" in
    "default via $router dev eth0"*) ;;
    *) echo "its default route is not by the router $router: $(default | head -n 1)"; exit 0 ;;
esac
echo good
