"""Hands the user's variables to a container engine: by a private file, or by name; `ps` shows no value."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ssdbench.errors import UsageError
from ssdbench.harness.containers.engines import fill_in
from ssdbench.harness.process import worker_environment
from ssdbench.schema.container import Arguments, ContainerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenVariables:
    """The `words` of an engine's command line, and the `environment` of its process."""

    words: Arguments
    environment: Mapping[str, str]


@contextmanager
def given_variables(options: ContainerOptions) -> Iterator[GivenVariables]:
    """The user's variables for the engine, as long as the block lasts.

    Raises:
        UsageError: a variable to be passed on is not set here.
    """
    engine, values = options.engine, variable_values(options)
    if not values or not engine.variable_file:
        names = {name: fill_in(engine.inherited_name, name=name)[0] for name in values}
        yield GivenVariables(
            words=tuple(word for name in values for word in fill_in(engine.variable_inherited, name=name)),
            environment=worker_environment({names[name]: value for name, value in values.items()}),
        )
        return
    # Nobody but its owner reads it: mode 0600.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="ssdbench-", suffix=".env") as file:
        file.write("".join(f"{name}={value}\n" for name, value in values.items()))
        file.flush()
        yield GivenVariables(words=fill_in(engine.variable_file, file=file.name), environment=worker_environment({}))


def variable_values(options: ContainerOptions) -> dict[str, str]:
    """The user's variables by name.

    Raises:
        UsageError: a variable to be passed on is not set here.
    """
    missing = [name for name in options.pass_variables if name not in os.environ]
    if missing:
        raise UsageError(
            f"the containers get the variable {missing[0]}, which is not set here: set it in the environment, since no "
            "record has its value"
        )
    return options.variables | {name: os.environ[name] for name in options.pass_variables}
