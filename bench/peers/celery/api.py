"""The API: tasks are checked and given to Celery.

uvicorn runs with uvloop and httptools and with a process a core (https://uvicorn.dev/settings/). Celery's client blocks: for
a single task that is shorter than the way to a thread and back would be, and measures a third faster; a batch goes to a
thread, which is what FastAPI does with plain functions (https://fastapi.tiangolo.com/async/).
"""

import time

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from tasks import app as celery
from tasks import echo

app = FastAPI()


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str = Field(max_length=10_000)


class Task(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: str = Field(pattern="^echo$")
    input: Input


class Accepted(BaseModel):
    id: str
    kind: str
    status: str = "queued"


class Status(BaseModel):
    id: str
    kind: str
    status: str
    output: dict[str, str] | None


def accepted(result) -> Accepted:
    return Accepted(id=result.id, kind="echo")


@app.post("/api/v1/tasks", status_code=202)
async def create(task: Task) -> Accepted:
    return accepted(echo.apply_async((task.input.text, time.time_ns() // 1_000)))


@app.get("/api/v1/tasks/{task_id}")
async def read(task_id: str) -> Status:
    # One read of Redis: what has ended is kept by the object.
    result = celery.AsyncResult(task_id)
    state = result.state
    return Status(id=task_id, kind="echo", status=state, output=result.result if state == "SUCCESS" else None)


@app.post("/api/v1/tasks/batch", status_code=202)
def create_batch(tasks: list[Task]) -> dict[str, list[Accepted]]:
    taken_us = time.time_ns() // 1_000
    # One connection for all of them.
    with celery.producer_pool.acquire(block=True) as producer:
        results = [echo.apply_async((task.input.text, taken_us), producer=producer) for task in tasks]
    return {"data": [accepted(result) for result in results]}
