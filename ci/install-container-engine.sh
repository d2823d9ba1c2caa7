#!/usr/bin/env bash
# Installs what the tests marked `containers` need, on Debian 12: engines, a registry, and tools. Run it as root.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends \
    docker.io iptables \
    podman runc fuse-overlayfs slirp4netns uidmap \
    docker-registry skopeo
