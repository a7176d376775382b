# Renames files that were put beside their places: pairs of arguments, the new file and its place. What a killed put
# left in the same folders goes too, once it is too old to be another process's.
set -u
failed=0
while [ $# -gt 0 ]; do
  mv -fT "$1" "$2" || { failed=1; rm -f "$1"; }
  find "${2%/*}" -maxdepth 1 -type f -name '.plb-*' -cmin +10 -delete 2>/dev/null || :
  shift 2
done
exit $failed
