#!/usr/bin/env bash
# Measure a suite on this machine and compare it with the baseline. The templates of all CI systems run this script.
#
#   ci/nightly.sh [OPTION OF `ssdbench compare`]...
#
# SSDBENCH_SUITE (default: nightly) is the suite, SSDBENCH_DATA the folder of images (default: synthetic ones).
# Where SSDBENCH_STORE names a database, baselines that were merged here are copied to it first.
# The exit code is that of the comparison, or of the measurement where there is nothing to compare.
set -euo pipefail

data=()
[[ -n "${SSDBENCH_DATA:-}" ]] && data=(--data "$SSDBENCH_DATA")

code=0
if [[ -n "${SSDBENCH_STORE:-}" && -d results/baselines ]]; then
  ssdbench store sync results env:SSDBENCH_STORE --keep-newer || code=$?
  # 8: it cannot be reached; what is measured is kept until it is back.
  if [[ $code -ne 0 && $code -ne 8 ]]; then exit "$code"; fi
  code=0
fi
ssdbench run "${SSDBENCH_SUITE:-nightly}" "${data[@]}" || code=$?
# The comparison reports a failed case (4); 3, 5 and 6 are verdicts of a suite measured until it is decided.
case $code in
  0 | 3 | 4 | 5 | 6) exec ssdbench compare latest "$@" ;;
  *) exit "$code" ;;
esac
