#!/usr/bin/env bash
# Measure a suite on this machine, and what may have changed in pairs with the baseline's build. The templates of all CI
# systems run this script.
#
#   ci/nightly.sh [OPTION OF `ssdbench nightly`]...
#
# SSDBENCH_SUITE (default: nightly) is the suite, SSDBENCH_DATA the folder of images (default: synthetic ones),
# SSDBENCH_BUDGET (default: 3h) the time after which no launch begins.
# Where SSDBENCH_STORE names a database, baselines that were merged here are copied to it first.
# The id of the suite's run is kept in results/run-id.txt: what comes after is about it, whatever other runners measure.
# report.html is its report, site/ the history of all runs that the store has.
# What opens or closes an alert is sent to the address in SSDBENCH_NOTIFY, where it is set (slack://..., mailtos://...).
# The exit code is that of `ssdbench nightly`: inconclusive is a warning until it was so three times in a row (5).
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
ssdbench nightly "${SSDBENCH_SUITE:-nightly}" --budget "${SSDBENCH_BUDGET:-3h}" "${data[@]}" --id-file "$id_file" "$@" ||
  code=$?
# 3, 4, 5, 6 and 10 are verdicts; with any other code nothing was judged.
case $code in
  0 | 3 | 4 | 5 | 6 | 10) ;;
  *) exit "$code" ;;
esac
# The answer is the verdict: a message that cannot be sent (the next run sends it) or a page that cannot be written must
# not change it, and says why on stderr.
if [[ -n "${SSDBENCH_NOTIFY:-}" ]]; then
  ssdbench notify "$(cat "$id_file")" --to env:SSDBENCH_NOTIFY > /dev/null || true
fi
ssdbench report "$(cat "$id_file")" --output report.html > /dev/null || true
ssdbench history --html site > /dev/null || true
exit "$code"
