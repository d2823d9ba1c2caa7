#!/bin/sh
# Installs what the tests marked `postgresql` need, on Debian or Ubuntu, as root. The tests start a server of their own,
# and none of the system is made.
set -eu
install -d /etc/postgresql-common
echo 'create_main_cluster = false' >> /etc/postgresql-common/createcluster.conf
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
