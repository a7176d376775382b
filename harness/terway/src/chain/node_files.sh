# Prints the files of a node. Arguments: the folder of plugins, the conflist.
# Output: the line "plugins" if the folder can be listed, then one name per line; an empty line; portmap's version text as one
# line; the conflist. It exits with an error if the conflist can't be read.
if names=$(ls "$1" 2>/dev/null); then
  echo plugins
  [ -z "$names" ] || echo "$names"
fi
echo
# Without CNI_COMMAND a plugin only prints its version.
[ ! -x "$1/portmap" ] || "$1/portmap" </dev/null 2>&1 | tr '\n' ' '
echo
exec cat "$2"
