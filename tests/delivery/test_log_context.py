"""What the log says of a delivery that a worker has in hand."""

import json
import logging
from typing import Any

import pytest

from accounts import log_context
from delivery.models import Delivery, Destination
from delivery.sender import Sender
from tests.delivery.conftest import Post
from tests.delivery.fake import Fake
from tokens.log_format import JsonFormatter


class Kept(logging.Handler):
    """Keeps what a server would write."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.said: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(json.loads(self.format(record)))


@pytest.mark.django_db
def test_a_carriers_own_fault_is_logged_under_the_call_that_the_delivery_came_from(
    sender: Sender, plain: Destination, fake: Fake, post: Post
) -> None:
    faulty = post(plain, "a", payload={"fault": 1})
    Delivery.objects.filter(pk=faulty.pk).update(request_id="req_of_the_call")
    log_context.begin()
    kept = Kept()
    logging.getLogger("delivery").addHandler(kept)
    try:
        sender.drain()
    finally:
        logging.getLogger("delivery").removeHandler(kept)

    (said,) = kept.said
    assert said["request_id"] == "req_of_the_call"
    assert (said["delivery_id"], said["destination_id"]) == (faulty.pk, plain.pk)
    assert said["workspace_id"] == plain.workspace_id
    assert "ZeroDivisionError" in said["exception"]
    assert log_context.at_hand() == {}
