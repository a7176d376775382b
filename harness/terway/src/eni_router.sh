# Configures the stand-in for the cloud's router. `check` prints the first fault, or "good"; `make` first configures the router.
# Arguments: check or make, its address on the network of the second interfaces, the pods' addresses.
set -eu
what=$1 address=$2 pods=$3
eni=$(ip -o -4 addr show | awk -v a="$address" 'index($4, a "/") == 1 { print $2 }')
[ -n "$eni" ] || { echo "it has no interface with $address"; exit 0; }
# A cloud drops packets from an interface whose source address does not belong to that interface.
rule="FORWARD -i $eni ! -s $pods -m comment --comment not-of-this-interface -j DROP"
if [ "$what" = make ]; then
    # shellcheck disable=SC2086
    iptables -C $rule 2>/dev/null || iptables -A $rule
fi
# shellcheck disable=SC2086
iptables -C $rule 2>/dev/null || { echo "its rule for source addresses is missing"; exit 0; }
[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || { echo "it does not forward"; exit 0; }
echo good
