#!/usr/bin/env bash
# Measure a suite on this machine and compare that run with the baseline. The templates of all CI systems run this script.
#
#   ci/nightly.sh [OPTION OF `ssdbench compare`]...
#
# SSDBENCH_SUITE (default: nightly) is the suite, SSDBENCH_DATA the folder of images (default: synthetic ones).
# Where SSDBENCH_STORE names a database, baselines that were merged here are copied to it first.
# The id of the run is kept in results/run-id.txt: what comes after judges this run, whatever other runners measure.
# report.html is its report, site/ the history of all runs that the store has.
# The exit code is that of the comparison, or of the measurement where there is nothing to compare.
set -euo pipefail
export SSDBENCH_RESULTS=results  # what the templates keep and upload

data=()
[[ -n "${SSDBENCH_DATA:-}" ]] && data=(--data "$SSDBENCH_DATA")

code=0
if [[ -n "${SSDBENCH_STORE:-}" && -d results/baselines ]]; then
  ssdbench store sync results env:SSDBENCH_STORE --keep-newer || code=$?
  # 8: it cannot be reached; what is measured is kept until it is back.
  if [[ $code -ne 0 && $code -ne 8 ]]; then exit "$code"; fi
  code=0
fi
id_file=results/run-id.txt
mkdir -p results
rm -f "$id_file"
ssdbench run "${SSDBENCH_SUITE:-nightly}" "${data[@]}" --id-file "$id_file" || code=$?
# The comparison reports a failed case (4); 3, 5 and 6 are verdicts of a suite measured until it is decided.
case $code in
  0 | 3 | 4 | 5 | 6) ;;
  *) exit "$code" ;;
esac
code=0
ssdbench compare "$(cat "$id_file")" "$@" || code=$?
# The answer is that of the comparison: a page that cannot be written must not change it, and says why on stderr.
ssdbench report "$(cat "$id_file")" --output report.html > /dev/null || true
ssdbench history --html site > /dev/null || true
exit "$code"
