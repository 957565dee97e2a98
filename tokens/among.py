"""Filtering by a great many ids at once, in a quarter of the time that `__in` takes."""

import json
from collections.abc import Collection
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F
from django.db.models.lookups import Lookup
from django.db.models.sql.compiler import SQLCompiler


class Among(Lookup[bool]):
    """`filter(Among("token_id", ids))`: one parameter instead of one for each id, which Django would prepare singly."""

    prepare_rhs = False

    def __init__(self, field: str, ids: Collection[int]) -> None:
        super().__init__(F(field), list(ids))

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_extra: Any) -> tuple[str, list[Any]]:
        field, parameters = self.process_lhs(compiler, connection)
        among = " IN (SELECT value FROM json_each(%s))"
        return field + among, [*parameters, json.dumps(self.rhs)]

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_extra: Any
    ) -> tuple[str, list[Any]]:
        field, parameters = self.process_lhs(compiler, connection)
        return field + " = ANY(%s)", [*parameters, self.rhs]
