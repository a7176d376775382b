# Prints the configuration that the runtime called for a pod, as JSON text; nothing if the cache has none.
# Arguments: the folder of libcni's cache, the network's name, the pod's UID.
set -eu
# Files of other pods may be removed while this runs, so jq opens only the pod's own file.
grep -lsF "$3" "$1/$2"-* | while read -r file; do jq -r '.config | @base64d' "$file"; done
