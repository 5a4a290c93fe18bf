"""The worker: one task that answers what it was told.

Settings are those of https://docs.celeryq.dev/en/stable/userguide/optimizing.html: a high prefetch multiplier for many
short tasks, and a prefork pool as large as there are cores. Results go to Redis, the backend that its documentation calls
super fast at storing results (https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/).
"""

import os
import struct
import time

from celery import Celery
from celery.signals import worker_ready

SOCKET = os.environ["BENCH_REDIS_SOCKET"]

app = Celery("bench")
app.conf.update(
    broker_url=f"redis+socket://{SOCKET}?virtual_host=1",
    result_backend=f"redis+socket://{SOCKET}?virtual_host=2",
    broker_connection_retry_on_startup=True,
    task_ignore_result=False,
    worker_prefetch_multiplier=128,
    worker_disable_rate_limits=True,
)

_notes = None


def note(number: int, taken_us: int) -> None:
    """Notes that a task has started: see tally.rs."""
    global _notes
    if _notes is None:
        # A file a process: the pool forks before its first task.
        path = os.path.join(os.environ["BENCH_TALLY"], str(os.getpid()))
        _notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    now_us = time.time_ns() // 1_000
    waited_us = min(max(now_us - taken_us, 0), 0xFFFFFFFF)
    os.write(_notes, struct.pack("<QII", now_us, number, waited_us))


@app.task(name="echo")
def echo(text: str, taken_us: int) -> dict:
    note(int(text), taken_us)
    return {"text": text}


@worker_ready.connect
def say_ready(**_):
    print("ready", flush=True)
