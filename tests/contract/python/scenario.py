"""A scenario through the client that openapi-python-client makes of the document: what somebody would write who has nothing else."""

import os
from hashlib import sha256

from longshore_client import AuthenticatedClient, Client
from longshore_client.api.keys import create_key, list_keys, revoke_key
from longshore_client.api.kinds import get_kind, list_kinds
from longshore_client.api.system import get_health, get_stats
from longshore_client.api.tasks import (
    cancel_task,
    create_task,
    create_tasks,
    delete_task,
    explain_task,
    follow_task,
    get_task,
    get_task_artifact,
    list_task_artifacts,
    list_task_attempts,
    list_task_logs,
    list_tasks,
    replay_task,
    retry_task,
)
from longshore_client.models import (
    ApiKey,
    CreateEchoTask,
    CreateKey,
    CreateVideoGenerateTask,
    EchoInput,
    EventPage,
    LogEvent,
    NewApiKey,
    Problem,
    ReplayTask,
    StatusEvent,
    Task,
    TaskPage,
    VideoGenerateBriefingInput,
    VideoGenerateBriefingInputOutput,
)

URL, KEY = os.environ["LONGSHORE_URL"], os.environ["LONGSHORE_API_KEY"]
client = AuthenticatedClient(base_url=URL, token=KEY)


def echo(key=None, prefer=None, **options):
    headers = {name: value for name, value in {"idempotency_key": key, "prefer": prefer}.items() if value}
    answer = create_task.sync_detailed(client=client, body=CreateEchoTask(kind="echo", **options), **headers)
    assert isinstance(answer.parsed, Task), answer
    return answer


# Submit, and wait for the end in one request.
answer = echo(prefer="wait=20", input_=EchoInput(text="hello", log_lines=3), tags=["python"], metadata=None)
task = answer.parsed
assert (answer.status_code, task.status, task.output["text"]) == (200, "succeeded", "hello"), task
assert answer.headers["preference-applied"] == "wait=20" and answer.headers["x-request-id"]

# A repetition is the same task; the same key under another body is a problem with a type.
first = echo(key="scenario", input_=EchoInput(sleep_ms=60_000)).parsed
again = echo(key="scenario", input_=EchoInput(sleep_ms=60_000))
assert again.parsed.id == first.id and again.headers["idempotency-replayed"] == "true"
reused = create_task.sync(client=client, body=CreateEchoTask(kind="echo", input_=EchoInput()), idempotency_key="scenario")
assert isinstance(reused, Problem) and reused.code == "idempotency_key_reused" and reused.status == 422, reused

# Wrong fields are named, all of them.
wrong = create_task.sync(client=client, body=CreateEchoTask(kind="echo", input_=EchoInput(sleep_ms=-1), priority=12))
assert isinstance(wrong, Problem) and {fault.pointer for fault in wrong.errors} == {"/input/sleep_ms", "/priority"}, wrong

# Poll with the version that one has.
read = get_task.sync_detailed(first.id, client=client)
assert read.parsed.id == first.id and get_task.sync_detailed(first.id, client=client, if_none_match=read.headers["etag"]).status_code in (200, 304)
assert explain_task.sync(first.id, client=client).object_ == "explanation"

# Cancel, retry, replay with another input, remove.
canceled = cancel_task.sync(first.id, client=client)
assert isinstance(canceled, Task)
while canceled.status != "canceled":
    canceled = get_task.sync(first.id, client=client, wait=20)
assert retry_task.sync(first.id, client=client).status in ("queued", "running")
cancel_task.sync(first.id, client=client)
replayed = replay_task.sync(task.id, client=client, body=ReplayTask(input_={"text": "again"}), prefer="wait=20")
assert replayed.output["text"] == "again" and replayed.replayed_from == task.id
removed = delete_task.sync_detailed(replayed.id, client=client)
assert removed.status_code == 204 and isinstance(get_task.sync(replayed.id, client=client), Problem)

# A batch, and pages of a list.
batch = create_tasks.sync(client=client, body=[CreateEchoTask(kind="echo", input_=EchoInput(), tags=["batch"]) for _ in range(5)])
assert len(batch.data) == 5
seen, cursor = [], None
while True:
    page = list_tasks.sync(client=client, tag="batch", limit=2, **({"cursor": cursor} if cursor else {}))
    assert isinstance(page, TaskPage)
    seen += [task.id for task in page.data]
    if not page.has_more:
        break
    cursor = page.next_cursor
assert sorted(seen) == sorted(task.id for task in batch.data), seen

# What happened, by its type.
lines = list_task_logs.sync(task.id, client=client)
assert isinstance(lines, EventPage) and len(lines.data) == 3 and all(isinstance(line, LogEvent) for line in lines.data), lines
pages = client.with_headers({"Accept": "application/json"})
history = follow_task.sync(task.id, client=pages)
assert isinstance(history, EventPage) and isinstance(history.data[0], StatusEvent) and history.data[0].event == "submit", history
assert list_task_attempts.sync(task.id, client=client).data[0].outcome == "succeeded"

# A video, and its files with what they should be.
small = VideoGenerateBriefingInput(
    title="Scenario",
    description="A small picture that moves.",
    duration=15,
    style="minimal",
    tone="calm",
    output=VideoGenerateBriefingInputOutput(width=160, height=160, fps=12, quality="draft"),
)
video = create_task.sync(client=client, body=CreateVideoGenerateTask(kind="video.generate", input_=small))
assert isinstance(video, Task), video
while video.status not in ("succeeded", "failed", "canceled"):
    video = get_task.sync(video.id, client=client, wait=30)
assert video.status == "succeeded", video
files = list_task_artifacts.sync(video.id, client=client).data
assert files and {file.name for file in files} == {file.name for file in video.artifacts}
for file in files:
    body = get_task_artifact.sync_detailed(video.id, file.name, client=client)
    assert sha256(body.content).hexdigest() == file.sha256 and len(body.content) == file.size, file

# Keys: one that may only read is refused, with a problem, and opens nothing when it is revoked.
made = create_key.sync(client=client, body=CreateKey(name="reader", scopes=["tasks:read"]))
assert isinstance(made, NewApiKey)
reader = AuthenticatedClient(base_url=URL, token=made.secret)
assert isinstance(list_tasks.sync(client=reader), TaskPage)
assert create_task.sync(client=reader, body=CreateEchoTask(kind="echo", input_=EchoInput())).code == "insufficient_scope"
assert any(key.id == made.key.id for key in list_keys.sync(client=client).data)
revoked = revoke_key.sync(made.key.id, client=client)
assert isinstance(revoked, ApiKey) and revoked.status == "revoked"
assert list_tasks.sync(client=Client(base_url=URL)).code == "unauthorized"

# What there is.
assert {kind.name for kind in list_kinds.sync(client=client).data} >= {"echo", "video.generate"}
assert get_kind.sync("echo", client=client).name == "echo" and get_kind.sync("nothing", client=client).code == "kind_not_found"
assert get_health.sync(client=client).status == "ok" and get_stats.sync(client=client).object_ == "stats"
print(f"python: the scenario went through; {len(files)} files of a video, {len(seen)} tasks on pages")
