#!/usr/bin/env bash
# A new baseline as a commit on a branch of its own, to be reviewed: the message has the reason, and old and new values.
#
#   ci/propose-baseline.sh RUN REASON
#
# RUN may be several run ids with blanks between them, the sessions of one build; where it is empty, the ids are those in
# results/run-id.txt: that of the run that ci/nightly.sh measured here last, or of those that a template collected.
# SSDBENCH_ACCEPT_OPTIONS are further options of `ssdbench baseline accept`, as `--release --allow-regression`.
# Where SSDBENCH_STORE names a database, the run is copied from it; the baseline is a file under results/ all the same.
# Nothing is pushed: each CI system opens the request for review in its own way, which is in its template.
# Ends with the exit code of `ssdbench baseline accept`, 2 where it refuses.
set -euo pipefail
export SSDBENCH_RESULTS=results  # what the templates keep and upload

if [[ $# -ne 2 ]]; then
  echo "usage: ci/propose-baseline.sh RUN REASON" >&2
  exit 2
fi
reason=$2
read -r -d '' -a runs <<< "${1:-$(cat results/run-id.txt)}" || true # its end is that of the text, not a delimiter
read -r -a options <<< "${SSDBENCH_ACCEPT_OPTIONS:-}"

folder=$(mktemp --directory)
trap 'rm -r "$folder"' EXIT
if [[ -n "${SSDBENCH_STORE:-}" ]]; then
  ssdbench store sync env:SSDBENCH_STORE "$folder/store" "${runs[@]/#/--run=}"
  unset SSDBENCH_STORE
  runs=("$folder"/store/records/*.jsonl)
fi
ssdbench baseline accept "${runs[@]}" --reason "$reason" --note "$folder/note.md" "${options[@]}"

if [[ -z "$(git status --porcelain -- results/baselines)" ]]; then
  echo "the baseline is what it was: nothing to review" >&2
  exit 0
fi
printf 'baseline: %s\n\n' "$reason" | cat - "$folder/note.md" > "$folder/message"
git switch --create "baseline/$(date --utc +%Y%m%d-%H%M%S)"
git add -- results/baselines
# The headings of the note begin with a #, which git would take for comments.
git commit --cleanup=whitespace --file "$folder/message" -- results/baselines
