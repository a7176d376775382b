# Renames temporary files to their places: pairs of arguments, the temporary file and its place. It also removes temporary files
# of killed processes in the same folders, if they are older than 10 minutes.
set -u
failed=0
while [ $# -gt 0 ]; do
  mv -fT "$1" "$2" || { failed=1; rm -f "$1"; }
  find "${2%/*}" -maxdepth 1 -type f -name '.plb-*' -cmin +10 -delete 2>/dev/null || :
  shift 2
done
exit $failed
