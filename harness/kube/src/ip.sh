# Runs every form of `ip` in one round trip. Each part ends with a line of its own: "$1 <exit code>".
# The first two are for people, complaints included; the others are for the parser.
m=$1
say() { "$@"; c=$?; echo; echo "$m $c"; }
say ip a 2>&1
say ip route 2>&1
say ip -j -d addr 2>/dev/null
say ip -j -d -4 route show table all 2>/dev/null
say ip -j -d -6 route show table all 2>/dev/null
say ip -j -4 rule 2>/dev/null
say ip -j -6 rule 2>/dev/null
