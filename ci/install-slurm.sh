#!/bin/sh
# Installs what the tests marked `slurm` need, on Debian or Ubuntu, as root. The tests start daemons of their own.
set -eu
apt-get update
# The second line is for images on a cluster, whose tests also need what install-container-engine.sh installs.
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    slurm-wlm munge \
    gcc libc6-dev libslurm-dev skopeo umoci
