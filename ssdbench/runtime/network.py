"""Where the ranks are and over what they talk, as far as a process can see without asking other programs."""

import fcntl
import os
import socket
import struct

from ssdbench.runtime.distributed import ProcessGroup
from ssdbench.schema.environment import Network

_SIOCGIFADDR = 0x8915
# What these libraries read; only their own names, so nothing that could hold a secret.
_PREFIXES = ("NCCL_", "GLOO_", "TORCH_NCCL_")


def host_name() -> str:
    """This machine's name; within Slurm, by which a node is asked for, the node's."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def describe_network(group: ProcessGroup) -> Network:
    """The ranks' hosts and the settings of their libraries; every rank of the group has to ask."""
    return Network(
        rank_hosts=tuple(group.gather(host_name())),
        backend=group.backend,
        interface=os.environ.get("GLOO_SOCKET_IFNAME") or _interface_of(socket.gethostname()),
        settings={name: value for name, value in sorted(os.environ.items()) if name.startswith(_PREFIXES)},
    )


def _interface_of(host: str) -> str | None:
    """The interface that has this host's address: gloo's choice where nothing is set."""
    try:
        address = socket.gethostbyname(host)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            names = [name for _, name in socket.if_nameindex()]
            return next((name for name in names if _address(asking, name) == address), None)
    except OSError:
        return None


def _address(asking: socket.socket, interface: str) -> str | None:
    """The IPv4 address of an interface; None where it has none (Linux: netdevice(7))."""
    try:
        answer = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
    except OSError:
        return None
    return socket.inet_ntoa(answer[20:24])
