# Takes away what terway-cli leaves on a node for symmetric routing, and never takes away itself (node.go: "will not clean
# up"), for every rule, table and mark that its configuration may name; then says what is still there.
# With `any` it says what of symmetric routing is there whatever it was told; it takes nothing away then.
# Arguments: take, look or any, the comment of its rules, the priority of its routing rule, its routing table.
# What can't be listed is not nothing: then it ends with an error.
set -u
what=$1 comment=$2 priority=$3 table=$4
without_v6() { [ ! -e /proc/net/if_inet6 ]; }

mangle() {
    "$1-save" -t mangle || { [ "$1" = ip6tables ] && without_v6; }
}
# The rules of the comment, as iptables writes it: in quotes where it has to be.
rules() {
    all=$(mangle "$1") || return 1
    echo "$all" | grep -F -e "--comment $comment " -e "--comment \"$comment\"" || :
}
routing() {
    ip "$1" rule show || { [ "$1" = -6 ] && without_v6; }
}
routes() {
    said=$(ip "$1" route show table "$table" 2>&1) && { echo "$said"; return 0; }
    case $said in *"FIB table does not exist"*) return 0 ;; esac
    [ "$1" = -6 ] && without_v6 && return 0
    echo "$said" >&2
    return 1
}
tables() {
    # Where iptables works without nf_tables, the kernel may have none.
    all=$(nft list tables) || case $(iptables --version) in *legacy*) return 0 ;; *) return 1 ;; esac
    echo "$all" | awk '$3 ~ /^terway_symmetric/ { print $2, $3 }'
}
# Each line of $2 behind the word $1.
told() { [ -z "$2" ] || echo "$2" | sed "s/^/$1: /"; }

if [ "$what" = any ]; then
    # Nothing else on these nodes marks connections, or routes by a mark.
    for tool in iptables ip6tables; do
        all=$(mangle $tool) || exit 1
        told $tool "$(echo "$all" | grep -F ' CONNMARK ')"
    done
    for family in -4 -6; do
        all=$(routing $family) || exit 1
        told rule "$(echo "$all" | grep -F ' fwmark ')"
    done
    all=$(tables) || exit 1
    told nft "$all"
    exit 0
fi
if [ "$what" = take ]; then
    for tool in iptables ip6tables; do
        all=$(rules $tool) || exit 1
        echo "$all" | while read -r _ rule; do
            # shellcheck disable=SC2086
            [ -z "$rule" ] || eval "$tool -t mangle -D $rule" || :
        done
    done
    for family in -4 -6; do
        while ip $family rule del priority "$priority" table "$table" 2>/dev/null; do :; done
        ip $family route flush table "$table" 2>/dev/null
    done
    all=$(tables) || exit 1
    echo "$all" | while read -r family name; do [ -z "$name" ] || nft delete table "$family" "$name"; done
fi
for tool in iptables ip6tables; do
    all=$(rules $tool) || exit 1
    told $tool "$all"
done
for family in -4 -6; do
    all=$(routing $family) || exit 1
    told rule "$(echo "$all" | grep "^$priority:" | grep -F "lookup $table")"
    all=$(routes $family) || exit 1
    told "table $table" "$all"
done
all=$(tables) || exit 1
told nft "$all"
exit 0
