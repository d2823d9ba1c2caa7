"""Container engines and the arguments that each needs for a launch (`schema.container.Engine`)."""

import re
from collections.abc import Iterable

from ssdbench.schema.container import Arguments, Engine

# The ranks of an ssdbench up to 0.2.0 find each other by host name: without a network only /etc/hosts resolves one.
_ALONE = ("--network=none", "--hostname=localhost")

_DOCKER = Engine(
    name="docker",
    command=("docker",),
    run=("run", "--pull=never", "--name={container}", "--workdir={folder}"),
    read_only=("--volume={path}:{inside}:ro",),
    writable=("--volume={path}:{inside}",),
    variable=("--env={name}={value}",),
    user=("--user={uid}:{gid}",),
    no_network=_ALONE,
    network=("--network=host",),
    shared_memory=("--shm-size={size}",),
    ulimit=("--ulimit={limit}",),
    gpus=('--gpus="device={uuids}"',),  # quoted, because docker parses the value as CSV
    inspect=("image", "inspect", "{image}"),
    pull=("pull", "--quiet", "{image}"),
    names=("ps", "--all", "--format={{.Names}}"),
    state=("container", "inspect", "{container}"),
    remove=("rm", "--force", "--volumes", "{container}"),
    variable_file=("--env-file={file}",),
)

_PODMAN = Engine(
    name="podman",
    command=("podman",),
    run=_DOCKER.run,
    read_only=_DOCKER.read_only,
    writable=_DOCKER.writable,
    variable=_DOCKER.variable,
    user=("--user=0:0",),  # root in the container is the user who runs podman
    no_network=_DOCKER.no_network,
    network=_DOCKER.network,
    shared_memory=_DOCKER.shared_memory,
    ulimit=_DOCKER.ulimit,
    gpu=("--device=nvidia.com/gpu={uuid}",),  # container device interface (CDI)
    inspect=_DOCKER.inspect,
    pull=_DOCKER.pull,
    names=_DOCKER.names,
    state=_DOCKER.state,
    remove=_DOCKER.remove,
    variable_file=_DOCKER.variable_file,
)

# Both run as the calling user, share /dev/shm and limits with the machine, and end with their command.
_APPTAINER = Engine(
    name="apptainer",
    command=("apptainer",),
    run=("exec", "--cleanenv", "--no-home", "--writable-tmpfs", "--pwd={folder}"),
    read_only=("--bind={path}:{inside}:ro",),
    writable=("--bind={path}:{inside}",),
    variable=("--env={name}={value}",),
    no_network=("--net", *_ALONE),
    gpus=("--nv",),  # shows all GPUs; the worker's variables select
    pull=("pull", "--disable-cache", "{file}", "docker://{image}"),  # on nodes of a cluster alone
    variable_inherited=(),  # it takes those with its prefix, also with --cleanenv
    inherited_name=("APPTAINERENV_{name}",),
)

_ENROOT = Engine(
    name="enroot",
    command=("enroot",),
    run=("start", "--rw"),
    read_only=("--mount={path}:{inside}:none:x-create=auto,bind,ro",),
    writable=("--mount={path}:{inside}:none:x-create=auto,bind,rw",),
    variable=("--env={name}={value}",),
    gpus=("--env=NVIDIA_VISIBLE_DEVICES={uuids}",),
)

ENGINES = {engine.name: engine for engine in (_DOCKER, _PODMAN, _APPTAINER, _ENROOT)}

# A step inside the job of the launch, on the node where it is started: it shares the node with the step around it.
_STEP = ("--overlap", "--nodes=1", "--ntasks=1", "--cpu-bind=none", "--kill-on-bad-exit=1")

_PYXIS = Engine(
    name="pyxis",
    command=("srun", *_STEP),
    run=("--container-workdir={folder}", "--container-writable", "--no-container-mount-home"),
    read_only=("{path}:{inside}:ro",),
    writable=("{path}:{inside}",),
    variable=(),
    job_step="pyxis",
)

_OCI = Engine(
    name="oci", command=("srun", *_STEP), run=(), read_only=(), writable=(), variable=(), job_step="oci"
)  # fmt: skip

STEP_ENGINES = {engine.name: engine for engine in (_PYXIS, _OCI)}
"""Ways into an image that are part of Slurm."""


def fill_in(arguments: Iterable[str], **values: object) -> Arguments:
    """The arguments with each `{name}` replaced by its value; other braces are left for the engine."""
    return tuple(
        re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), argument) for argument in arguments
    )
