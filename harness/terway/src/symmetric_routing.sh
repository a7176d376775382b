# Lists or removes the rules, routes and tables of symmetric routing that terway-cli sets up on a node and never removes
# (node.go: "will not clean up").
# `list` prints what exists with the given comment, priority and table. `remove` removes it, then prints what remains.
# `list-any` prints symmetric routing with any comment, priority and table.
# Arguments: list, list-any or remove, the comment of the rules, the priority of the routing rule, the routing table.
# If a listing fails, the script exits with an error.
set -u
what=$1 comment=$2 priority=$3 table=$4
without_v6() { [ ! -e /proc/net/if_inet6 ]; }

list_mangle() {
    "$1-save" -t mangle || { [ "$1" = ip6tables ] && without_v6; }
}
# Lists the rules with the comment. iptables quotes a comment if necessary.
list_rules() {
    all=$(list_mangle "$1") || return 1
    echo "$all" | grep -F -e "--comment $comment " -e "--comment \"$comment\"" || :
}
list_routing_rules() {
    ip "$1" rule show || { [ "$1" = -6 ] && without_v6; }
}
list_routes() {
    output=$(ip "$1" route show table "$table" 2>&1) && { echo "$output"; return 0; }
    case $output in *"FIB table does not exist"*) return 0 ;; esac
    [ "$1" = -6 ] && without_v6 && return 0
    echo "$output" >&2
    return 1
}
list_tables() {
    # If iptables works without nf_tables, the kernel may have no nf_tables.
    all=$(nft list tables) || case $(iptables --version) in *legacy*) return 0 ;; *) return 1 ;; esac
    echo "$all" | awk '$3 ~ /^terway_symmetric/ { print $2, $3 }'
}
# Prints each line of $2 with the prefix $1.
print_lines() { [ -z "$2" ] || echo "$2" | sed "s/^/$1: /"; }

if [ "$what" = list-any ]; then
    # On these nodes only symmetric routing uses connection marks and rules with fwmark.
    for tool in iptables ip6tables; do
        all=$(list_mangle $tool) || exit 1
        print_lines $tool "$(echo "$all" | grep -F ' CONNMARK ')"
    done
    for family in -4 -6; do
        all=$(list_routing_rules $family) || exit 1
        print_lines rule "$(echo "$all" | grep -F ' fwmark ')"
    done
    all=$(list_tables) || exit 1
    print_lines nft "$all"
    exit 0
fi
if [ "$what" = remove ]; then
    for tool in iptables ip6tables; do
        all=$(list_rules $tool) || exit 1
        echo "$all" | while read -r _ rule; do
            # shellcheck disable=SC2086
            [ -z "$rule" ] || eval "$tool -t mangle -D $rule" || :
        done
    done
    for family in -4 -6; do
        while ip $family rule del priority "$priority" table "$table" 2>/dev/null; do :; done
        ip $family route flush table "$table" 2>/dev/null
    done
    all=$(list_tables) || exit 1
    echo "$all" | while read -r family name; do [ -z "$name" ] || nft delete table "$family" "$name"; done
fi
for tool in iptables ip6tables; do
    all=$(list_rules $tool) || exit 1
    print_lines $tool "$all"
done
for family in -4 -6; do
    all=$(list_routing_rules $family) || exit 1
    print_lines rule "$(echo "$all" | grep "^$priority:" | grep -F "lookup $table")"
    all=$(list_routes $family) || exit 1
    print_lines "table $table" "$all"
done
all=$(list_tables) || exit 1
print_lines nft "$all"
exit 0
