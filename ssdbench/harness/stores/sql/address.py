"""URLs of databases: which are taken, and what of one may be said aloud."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ssdbench.errors import UsageError

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


def address(text: str) -> URL:
    """The URL with its driver.

    Raises:
        UsageError: it is none, or of another kind of database. The sentence repeats nothing that may be a password.
    """
    scheme, separator, rest = text.partition("://")
    if scheme not in _DRIVERS:
        raise UsageError(
            f"--store {scheme.partition(':')[0]}: no kind of store; give a folder, sqlite:///FILE or "
            "postgresql://USER@HOST/DATABASE"
        )
    try:
        url = make_url(f"{_DRIVERS[scheme]}{separator}{rest}")
    except (ArgumentError, ValueError):
        url = None
    is_sqlite = scheme == "sqlite"
    # An @ or a / in a password would move the rest of it into what is taken for the host.
    if url is None or not url.database or (not is_sqlite and rest.count("@") > 1) or (is_sqlite and url.host):
        raise UsageError(
            f"--store {scheme}://...: no URL of a database; write sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/DATABASE, with %40 for an @ in the password"
        )
    return url


def shown(url: URL) -> str:
    """The URL as it may be printed, without its password and options."""
    plain = URL.create(
        url.get_backend_name(), username=url.username, host=url.host, port=url.port, database=url.database
    )
    return plain.render_as_string()
