# Runs every form of `ip` in one exec. After each part it prints the separate line "$1 <exit code>".
# The first two parts are for users and include error messages; the others are for the parser.
m=$1
run() { "$@"; c=$?; echo; echo "$m $c"; }
run ip a 2>&1
run ip route 2>&1
run ip -j -d addr 2>/dev/null
run ip -j -d -4 route show table all 2>/dev/null
run ip -j -d -6 route show table all 2>/dev/null
run ip -j -4 rule 2>/dev/null
run ip -j -6 rule 2>/dev/null
