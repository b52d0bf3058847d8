"""The one Celery app, and why each of its settings is as it is."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from celery import Celery
from kombu.entity import Queue as BrokerQueue

from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.tasks import Queue
from orchestrator.settings import Settings
from orchestrator.store.connection import keepalive
from orchestrator.store.keys import Keys
from orchestrator.store.tls import tls_options, without_tls_options

SOFT_SHUTDOWN_S = 30.0


def broker_url(redis_url: str) -> str:
    """The ledger's Redis as Celery spells it: a Unix socket has another scheme there, and its database another name."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return without_tls_options(redis_url)
    options = dict(parse_qsl(parts.query))
    username, password = options.pop("username", parts.username or ""), options.pop("password", parts.password or "")
    credentials = f"{username}:{password}@" if username or password else ""
    return f"redis+socket://{credentials}{parts.path}?virtual_host={options.pop('db', '0')}"


def broker_tls(redis_url: str) -> dict[str, Any] | None:
    """TLS as Celery and Flower are told of it: with the check of the server's certificate, which kombu leaves out."""
    if urlsplit(redis_url).scheme != "rediss":
        return None
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, **tls_options(redis_url)}


def make_app(settings: Settings) -> Celery:
    """A Celery app on the settings' Redis; connects to nothing yet."""
    if settings.redis_url is None:
        raise InvalidInput("CYCLERY_REDIS_URL is not set; `cyclery up` starts a Redis of its own")
    url = settings.redis_url.get_secret_value()
    app = Celery("cyclery", broker=broker_url(url), set_as_current=False)
    app.conf.update(configuration(settings))
    app.conf.broker_use_ssl = broker_tls(url)
    return app


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings, each with its reason."""
    return {
        # A doorbell is worth nothing once it is heard: the ledger knows the rest. Acknowledged late it would stand in
        # `unacked` while the stage runs, and be delivered again to everybody after each lost connection.
        "task_acks_late": False,
        # No result keys and no subscription for each send: outputs live in the ledger.
        "task_ignore_result": True,
        "result_backend": None,
        "task_store_errors_even_if_ignored": False,
        # One message at a time and none held back: a waiting stage belongs to whoever is free.
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        # A lost connection is no reason to stop a stage: its lease and fence decide.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # SIGTERM lets stages end for so long; then they are given back. compose's grace period is above it.
        "worker_soft_shutdown_timeout": SOFT_SHUTDOWN_S,
        "worker_enable_soft_shutdown_on_idle": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # workers wait for Redis for as long as it takes
        "broker_channel_error_retry": True,  # also for one that is full, or read-only for a while
        "broker_transport_options": {
            "global_keyprefix": Keys(settings.namespace).prefix,  # two namespaces on one Redis never meet
            "visibility_timeout": 43200,  # doorbells are acknowledged at once; this only bounds leftovers
            # A connection that was cut off is noticed within these times, and another one made: a worker takes stages
            # again soon after its network is back.
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "health_check_interval": 10,
            **keepalive(),
        },
        # Nothing is unpickled: JSON in, JSON out, anything else is refused.
        "task_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        # Flower lives on these.
        "worker_send_task_events": True,
        "task_send_sent_event": False,  # the ledger rings; Flower shows a stage once a worker has heard
        "task_track_started": True,
        # One queue for each pool; an unknown name is an error, not a new queue.
        "task_queues": [BrokerQueue(queue.value) for queue in Queue],
        "task_default_queue": Queue.OPS.value,
        "task_create_missing_queues": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,  # stages' output is captured by their own log
        "enable_utc": True,
        "timezone": "UTC",
    }


@cache
def _default_app() -> Celery:
    return make_app(Settings())


def __getattr__(name: str) -> Any:
    """`celery -A orchestrator.engine.app`: the app of the environment's settings, made when it is asked for."""
    if name in ("app", "celery"):
        return _default_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
