"""The hosts of the ranks and the network between them, as far as a process can tell without running other programs."""

from __future__ import annotations

import fcntl
import os
import socket
import struct

from ssdbench.runtime.distributed import ProcessGroup
from ssdbench.schema.environment import Network

_SIOCGIFADDR = 0x8915
# Settings that these libraries read; of these, those of `schema.variables` are recorded.
_PREFIXES = ("NCCL_", "GLOO_", "TORCH_NCCL_")


def host_name() -> str:
    """Host name; inside a Slurm job the node name, which is what sbatch accepts."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def describe_network(group: ProcessGroup) -> Network:
    """The ranks' hosts and their library settings; all ranks of the group must call."""
    return Network(
        rank_hosts=tuple(group.gather(host_name())),
        backend=group.backend,
        interface=os.environ.get("GLOO_SOCKET_IFNAME") or _interface_of(socket.gethostname()),
        settings={name: value for name, value in sorted(os.environ.items()) if name.startswith(_PREFIXES)},
    )


def _interface_of(host: str) -> str | None:
    """The interface with this host's address, which gloo uses by default."""
    try:
        address = socket.gethostbyname(host)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as socket_:
            names = [name for _, name in socket.if_nameindex()]
            return next((name for name in names if _address(socket_, name) == address), None)
    except OSError:
        return None


def _address(socket_: socket.socket, interface: str) -> str | None:
    """The IPv4 address of an interface, None if it has none (Linux: netdevice(7))."""
    try:
        answer = fcntl.ioctl(socket_.fileno(), _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
    except OSError:
        return None
    return socket.inet_ntoa(answer[20:24])
