# Starts each new plugin in folder $1 once, and moves all of them to folder $2 if every plugin started.
# VERSION is the only call that needs no configuration. The last line of output names the plugin that failed.
set -u
for new in "$1"/*; do
  name=${new##*/}
  output=$(printf '{"cniVersion":"1.0.0"}' | CNI_COMMAND=VERSION "$new" 2>&1)
  code=$?
  # 126 and 127 mean that the shell could not start it. A code above 128 means that a signal ended it.
  if [ "$code" -ge 126 ]; then
    rm -rf "$1"
    printf '%s: exit code %s: %s\n' "$name" "$code" "$(printf '%s' "$output" | tail -n 1)"
    exit 1
  fi
done
mkdir -p "$2"
for new in "$1"/*; do
  mv -f "$new" "$2/${new##*/}" || exit 2
done
rmdir "$1"
