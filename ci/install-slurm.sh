#!/bin/sh
# Installs what the tests marked `slurm` need, on Debian or Ubuntu, as root. The tests start daemons of their own.
set -eu
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slurm-wlm munge
