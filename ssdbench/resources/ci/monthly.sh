#!/usr/bin/env bash
# Compare each new container of a repository with that of the last release, interleaved on this machine.
#
#   ci/monthly.sh OLD        as in: ci/monthly.sh nvcr.io/nvidia/pytorch:25.01-py3
#
# SSDBENCH_SUITE (default: monthly) is the suite, SSDBENCH_DATA the folder of images (default: synthetic ones),
# SSDBENCH_TAGS the regular expression of the tags that count. SSDBENCH_SEEN is the file of the tags seen before, which
# must outlive the job; the first time, all tags are marked as seen. ci/containers.toml says how images are run.
# The exit code is that of the worst comparison; any other failure goes before an inconclusive one (5).
set -euo pipefail
export SSDBENCH_RESULTS=results  # what the templates keep and upload

old=${1:?name the container of the last release}
repository=${old%:*}
tags=${SSDBENCH_TAGS:-'[0-9]{2}\.[0-9]{2}-py3'}
seen=${SSDBENCH_SEEN:-results/containers-seen.json}
data=()
[[ -n "${SSDBENCH_DATA:-}" ]] && data=(--data "$SSDBENCH_DATA")

if [[ ! -e "$seen" ]]; then
  ssdbench containers new "$repository" --match "$tags" --state "$seen" > /dev/null
  echo "$repository was looked at for the first time: tags that appear from now on are new"
  exit 0
fi

# Tags are marked as seen only after the comparison, so an interrupted month is repeated.
cp "$seen" "$seen.next"
code=0
news=$(ssdbench containers new "$repository" --match "$tags" --state "$seen.next") || code=$?
echo "$news"
case $code in
  0) ;;
  9) exit 0 ;; # nothing is new
  *) exit "$code" ;;
esac

while read -r new _; do
  if [[ "$new" == "$old" ]]; then
    echo "the container of the last release was published again: give OLD another tag, or measure it by hand" >&2
    continue
  fi
  answer=0
  ssdbench containers compare "$old" "$new" --suite "${SSDBENCH_SUITE:-monthly}" "${data[@]}" < /dev/null || answer=$?
  case $answer in
    0) ;;
    3 | 4 | 5 | 6) if [[ $code -eq 0 || $code -eq 5 ]]; then code=$answer; fi ;;
    *) exit "$answer" ;;
  esac
done <<< "$news"
mv "$seen.next" "$seen"
exit "$code"
