# Takes away what terway-cli leaves on a node for symmetric routing, and never takes away itself (node.go: "will not clean
# up"), for every rule, table and mark that its configuration may name; then says what is still there.
# With `any` it says what of symmetric routing is there whatever it was told; it takes nothing away then.
# Arguments: take, look or any, the comment of its rules, the priority of its routing rule, its routing table.
set -u
what=$1 comment=$2 priority=$3 table=$4
rules() { "$1-save" -t mangle 2>/dev/null | grep -F -- "--comment $comment "; "$1-save" -t mangle 2>/dev/null | grep -F -- "--comment \"$comment\""; }
tables() { nft list tables 2>/dev/null | awk '$3 ~ /^terway_symmetric/ { print $2, $3 }'; }
if [ "$what" = any ]; then
    # Nothing else on these nodes marks connections, or routes by a mark.
    for tool in iptables ip6tables; do "$tool-save" -t mangle 2>/dev/null | grep -F ' CONNMARK ' | sed "s/^/$tool: /"; done
    for family in -4 -6; do ip $family rule show 2>/dev/null | grep -F ' fwmark ' | sed 's/^/rule: /'; done
    tables | sed 's/^/nft: /'
    exit 0
fi
if [ "$what" = take ]; then
    for tool in iptables ip6tables; do
        rules "$tool" | while read -r _ rule; do
            # shellcheck disable=SC2086
            eval "$tool -t mangle -D $rule" || :
        done
    done
    for family in -4 -6; do
        while ip $family rule del priority "$priority" table "$table" 2>/dev/null; do :; done
        ip $family route flush table "$table" 2>/dev/null
    done
    tables | while read -r family name; do nft delete table "$family" "$name"; done
fi
for tool in iptables ip6tables; do rules "$tool" | sed "s/^/$tool: /"; done
for family in -4 -6; do
    ip $family rule show priority "$priority" 2>/dev/null | grep -F "lookup $table" | sed 's/^/rule: /'
    ip $family route show table "$table" 2>/dev/null | sed "s/^/table $table: /"
done
tables | sed 's/^/nft: /'
exit 0
