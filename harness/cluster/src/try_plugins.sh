# Starts each new plugin in folder $1 once, and moves all of them to folder $2 when every one answered.
# The call VERSION is the only one that needs no configuration. The last line printed names the one that failed.
set -u
for new in "$1"/*; do
  name=${new##*/}
  said=$(printf '{"cniVersion":"1.0.0"}' | CNI_COMMAND=VERSION "$new" 2>&1)
  code=$?
  # 126 and 127 are the shell's: it could not be started. A signal ends it above 128.
  if [ "$code" -ge 126 ]; then
    rm -rf "$1"
    printf '%s: exit code %s: %s\n' "$name" "$code" "$(printf '%s' "$said" | tail -n 1)"
    exit 1
  fi
done
mkdir -p "$2"
for new in "$1"/*; do
  mv -f "$new" "$2/${new##*/}" || exit 2
done
rmdir "$1"
