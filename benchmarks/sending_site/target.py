"""What is sent to: answers after a while, and says when the first and the last call came and how many there were."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

DELAY_S = float(os.environ.get("TARGET_DELAY_MS", "0")) / 1000
_lock = threading.Lock()
_calls: list[float] = []


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"].read()
        time.sleep(DELAY_S)
        with _lock:
            _calls.append(time.monotonic())
        answer = b'{"id": "r-1", "name": "Dewi Anggraini", "status": "ok"}'
    else:
        with _lock:
            said = {"count": len(_calls), "first": min(_calls, default=0), "last": max(_calls, default=0)}
            answer = json.dumps(said).encode()
            if environ["PATH_INFO"] == "/reset":
                _calls.clear()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
