# The configuration that the runtime called for a pod, as JSON text; nothing where none was kept.
# Arguments: the folder of libcni's cache, the network's name, the pod's name.
set -eu
for file in "$1/$2"-*; do
    [ -e "$file" ] || continue
    jq -r --arg pod "$3" 'select(any(.cniArgs[]?; . == ["K8S_POD_NAME", $pod])) | .config | @base64d' "$file"
done
