"""A task that writes down when it begins and ends, and lasts as long as the test wants."""

import os
import time
from pathlib import Path

from django_tasks import task


@task()
def run() -> None:
    folder = Path(os.environ["WATCHED"])
    with (folder / "diary").open("a") as diary:
        print(f"begin {os.getpid()}", file=diary, flush=True)
        while (folder / "hold").exists():
            time.sleep(0.05)
        print(f"end {os.getpid()}", file=diary, flush=True)
