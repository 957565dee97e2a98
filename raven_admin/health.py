"""Whether this server works: said to load balancers and whoever watches it, in words that give nothing away."""

from functools import cache

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from delivery import beats

OK = "ok"


def web() -> dict[str, str]:
    """What this process needs to answer calls and pages: each is `ok`, or what is wrong with it."""
    try:
        applied = set(MigrationRecorder(connection).applied_migrations())
    except (DatabaseError, InterfaceError):
        return {"database": "unreachable"}
    return {"database": OK, "migrations": OK if _newest_migrations() <= applied else "pending"}


def everything() -> dict[str, str]:
    """`web`, and whether a worker sends what is in the outbox."""
    checks = web()
    if any(said != OK for said in checks.values()):
        return checks
    try:
        alive = beats.workers(now=timezone.now()).alive
    except (DatabaseError, InterfaceError):
        return {**checks, "database": "unreachable"}
    return {**checks, "worker": OK if alive else "missing"}


@cache
def _newest_migrations() -> frozenset[tuple[str, str]]:
    """The last ones of this version's code; reading them from the disk takes long, and they never change."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())
