# Symmetric routing's rules of one family, as terway-cli lays them (1.17.5, cmd/terway-cli/symmetric.go).
# Arguments: backend, program of iptables, family of nftables, table of nftables, interface, mark, mask, mask inverted,
# comment.
set -e
backend=$1 tables=$2 family=$3 table=$4 interface=$5 mark=$6 mask=$7 others=$8 comment=$9
if [ "$backend" = iptables ]; then
  chain="$tables -w 5 -t mangle -A PREROUTING"
  $chain -i "$interface" -j CONNMARK --set-xmark "$mark/$mask" -m comment --comment "$comment"
  $chain -j CONNMARK --restore-mark --mask "$mask" -m comment --comment "$comment"
  exit
fi
nft -f - <<RULES
table $family $table {
  chain prerouting {
    type filter hook prerouting priority mangle;
    iifname "$interface" ct mark set ct mark and $others xor $mark comment "$comment"
    meta mark set ct mark and $mask comment "$comment"
  }
}
RULES
