#!/usr/bin/env bash
# Unpack a bundle on a GPU machine without a network and run the check there; run in the repository.
#   on_machine.sh BUNDLE [arguments of python -m benchmarks.gpu]
set -euo pipefail
bundle=$1
shift
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
if [ -f "$bundle/dali.tar.xz" ]; then
  python3 -c "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter='tar')" "$bundle/dali.tar.xz" "$site"
fi
python3 -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$site" "$bundle"/whl/*.whl
export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
export LD_LIBRARY_PATH=$site/nvidia/nvimgcodec:$site/nvidia/cu13/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
python3 -m benchmarks.gpu "$@"
