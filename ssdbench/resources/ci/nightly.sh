#!/usr/bin/env bash
# One night: measure a suite on this machine and compare it with the baseline. All templates beside this file run it.
#
#   ci/nightly.sh [OPTION OF `ssdbench compare`]...
#
# SSDBENCH_SUITE (default: nightly) is the suite, SSDBENCH_DATA the folder of images (default: synthetic ones).
# Where SSDBENCH_STORE names a database, baselines that were merged here are copied into it first.
# The exit code is that of the comparison, or of a measurement after which there is nothing to compare.
set -euo pipefail

data=()
[[ -n "${SSDBENCH_DATA:-}" ]] && data=(--data "$SSDBENCH_DATA")

code=0
if [[ -n "${SSDBENCH_STORE:-}" && -d results/baselines ]]; then
  ssdbench store sync results env:SSDBENCH_STORE --keep-newer || code=$?
  # 8: it is out of reach; what is measured is kept until it is back.
  if [[ $code -ne 0 && $code -ne 8 ]]; then exit "$code"; fi
  code=0
fi
ssdbench run "${SSDBENCH_SUITE:-nightly}" "${data[@]}" || code=$?
# 4, a failed case, is told by the comparison; 3, 5 and 6 are verdicts of a suite that goes on until it is decided.
case $code in
  0 | 3 | 4 | 5 | 6) exec ssdbench compare latest "$@" ;;
  *) exit "$code" ;;
esac
