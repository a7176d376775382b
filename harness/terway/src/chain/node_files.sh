# What lies on a node, in one go. Arguments: the folder of plugins, the conflist.
# Prints the line "plugins" if the folder can be listed, then a name a line; an empty line; what portmap says of itself, as
# one line; and the conflist to the end. Ends with an error if that can't be read.
if names=$(ls "$1" 2>/dev/null); then
  echo plugins
  [ -z "$names" ] || echo "$names"
fi
echo
# Without an order a plugin tells its version and does nothing.
[ ! -x "$1/portmap" ] || "$1/portmap" </dev/null 2>&1 | tr '\n' ' '
echo
exec cat "$2"
