"""Files of people, uploaded and imported."""

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from openpyxl import Workbook

from accounts.models import User, Workspace
from personas.models import AttributeDefinition, Operation, OperationRow
from personas.operations import begin_operation, start_operation
from tests.personas.operating import work_off

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
Upload = Callable[[bytes], Operation]


def workbook(*rows: Sequence[Any]) -> bytes:
    """Texts are texts, also those that begin with an equals sign."""
    made = Workbook()
    for row in rows:
        made.worksheets[0].append(list(row))
    for cells in made.worksheets[0].iter_rows():
        for cell in cells:
            if isinstance(cell.value, str):
                cell.data_type = "s"
    saved = io.BytesIO()
    made.save(saved)
    return saved.getvalue()


def verdicts(operation: Operation) -> dict[int, tuple[str, list[Any]]]:
    """Of each row: what would be done, and the differences or the problems."""
    rows = OperationRow.objects.filter(operation=operation).order_by("number")
    return {row.number: (row.action, row.problems or row.differences) for row in rows}


@pytest.fixture
def attributes(workspace: Workspace) -> None:
    for position, (key, label, type) in enumerate(
        [
            ("city", "City", "text"),
            ("points", "Points", "number"),
            ("since", "Since", "date"),
            ("vip", "VIP", "boolean"),
        ]
    ):
        AttributeDefinition.objects.create(workspace=workspace, key=key, label=label, type=type, position=position)


@pytest.fixture
def upload(workspace: Workspace, support_user: User) -> Upload:
    def uploaded(content: bytes) -> Operation:
        operation = begin_operation(
            workspace=workspace, kind=Operation.Kind.IMPORT, title="people.xlsx", plan={}, by=support_user,
            file=content, at=AT,
        )  # fmt: skip
        return work_off(operation)

    return uploaded


@pytest.fixture
def run(support_user: User) -> Callable[[Operation], Operation]:
    def carried_out(operation: Operation) -> Operation:
        return work_off(start_operation(operation_id=operation.pk, by=support_user, at=AT))

    return carried_out
