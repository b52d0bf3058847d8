"""TLS to Redis: what a rediss:// URL may say of it.

The server's certificate is always checked, against the system's authorities or the one that the URL names: an option
that would switch that off is refused, since nobody sees a connection that was taken over.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from orchestrator.contracts.errors import InvalidInput

_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OPTIONS = (*_FILES, "ssl_ca_path", "ssl_password")
_SAFE = {"ssl_cert_reqs": ("required",), "ssl_check_hostname": ("true", "1", "yes")}


def tls_options(url: str) -> dict[str, str]:
    """The options of a rediss:// URL that say which certificates to use; none of any other URL.

    Raises InvalidInput for files that cannot be read, and for what would leave the server unchecked.
    """
    given = {name: value for name, value in parse_qsl(urlsplit(url).query) if name.startswith("ssl_")}
    for name, values in _SAFE.items():
        if given.pop(name, values[0]).lower() not in values:
            raise InvalidInput(
                f"CYCLERY_REDIS_URL switches off the check of the server's certificate ({name}): leave that out, and "
                "name the authority that signed it: rediss://…?ssl_ca_certs=FILE"
            )
    unknown = next((name for name in given if name not in _OPTIONS), None)
    if unknown is not None:
        raise InvalidInput(f"CYCLERY_REDIS_URL has the option {unknown}: there are {', '.join(_OPTIONS)}")
    for name in _FILES:
        if name in given:
            _check_readable(name, Path(given[name]))
    return given


def without_tls_options(url: str) -> str:
    """The URL for whoever is told of TLS beside it."""
    parts = urlsplit(url)
    kept = "&".join(option for option in parts.query.split("&") if not option.startswith("ssl_"))
    return urlunsplit(parts._replace(query=kept))


def _check_readable(name: str, path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as problem:
        raise InvalidInput(
            f"CYCLERY_REDIS_URL: {name}={path} cannot be read ({problem.strerror}): name a PEM file that you may read"
        ) from None
