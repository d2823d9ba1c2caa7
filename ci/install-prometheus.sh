#!/bin/sh
# Installs what the tests marked `prometheus` need, on Debian or Ubuntu, as root. The tests start servers of their own.
set -eu
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prometheus prometheus-pushgateway
