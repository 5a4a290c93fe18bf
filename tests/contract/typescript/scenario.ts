// A scenario through openapi-fetch with the types that openapi-typescript makes of the document. It is compiled in strict mode: what is
// read here without a check is promised by the document.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Task = components["schemas"]["Task"];
type Event = components["schemas"]["Event"];
type CreateTask = components["schemas"]["CreateTask"];

const baseUrl = process.env["LONGSHORE_URL"]!;
const withKey = (key: string) => createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const client = withKey(process.env["LONGSHORE_API_KEY"]!);

// The data of an answer that was to succeed.
function good<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  assert(answer.response.ok, `${answer.response.status} ${JSON.stringify(answer.error)}`);
  return answer.data as T;
}

async function submit(body: CreateTask, header: { "Idempotency-Key"?: string; Prefer?: string } = {}) {
  const answer = await client.POST("/api/v1/tasks", { body, params: { header } });
  return { task: good(answer), headers: answer.response.headers };
}

async function ended(id: string): Promise<Task> {
  for (;;) {
    const task = good(await client.GET("/api/v1/tasks/{id}", { params: { path: { id }, query: { wait: 20 } } }));
    if (["succeeded", "failed", "canceled", "expired"].includes(task.status)) return task;
  }
}

// Submit, and wait for the end in one request.
const hello: CreateTask = { kind: "echo", input: { text: "hello", log_lines: 3 }, tags: ["typescript"] };
const { task, headers } = await submit(hello, { Prefer: "wait=20" });
assert.equal(task.status, "succeeded");
assert.deepEqual((task.output as { text: string }).text, "hello");
assert.equal(headers.get("preference-applied"), "wait=20");

// A repetition is the same task; under another body the key is a problem, with a code that is one of those that are listed.
const long: CreateTask = { kind: "echo", input: { sleep_ms: 60_000 } };
const first = (await submit(long, { "Idempotency-Key": "typescript" })).task;
const again = await submit(long, { "Idempotency-Key": "typescript" });
assert.equal(again.task.id, first.id);
assert.equal(again.headers.get("idempotency-replayed"), "true");
const reused = await client.POST("/api/v1/tasks", { body: hello, params: { header: { "Idempotency-Key": "typescript" } } });
const code: components["schemas"]["Problem"]["code"] | undefined = reused.error?.code;
assert.equal(code, "idempotency_key_reused");

// Wrong fields are named, all of them.
const wrong = await client.POST("/api/v1/tasks", { body: { kind: "echo", input: { sleep_ms: -1 }, priority: 12 } });
assert.deepEqual(wrong.error?.errors?.map((fault) => fault.pointer).sort(), ["/input/sleep_ms", "/priority"]);

// Cancel, retry, replay with another input, remove.
await client.POST("/api/v1/tasks/{id}/cancel", { params: { path: { id: first.id } } });
assert.equal((await ended(first.id)).status, "canceled");
const retried = good(await client.POST("/api/v1/tasks/{id}/retry", { params: { path: { id: first.id } } }));
assert.ok(["queued", "running"].includes(retried.status));
await client.POST("/api/v1/tasks/{id}/cancel", { params: { path: { id: first.id } } });
const replayed = good(
  await client.POST("/api/v1/tasks/{id}/replay", {
    params: { path: { id: task.id }, header: { Prefer: "wait=20" } },
    body: { input: { text: "again" } },
  }),
);
assert.equal(replayed.replayed_from, task.id);
const removed = await client.DELETE("/api/v1/tasks/{id}", { params: { path: { id: replayed.id } } });
assert.equal(removed.response.status, 204);
const gone = await client.GET("/api/v1/tasks/{id}", { params: { path: { id: replayed.id } } });
assert.equal(gone.error?.code, "task_not_found");

// A batch, and pages of a list.
const body: CreateTask[] = Array.from({ length: 5 }, () => ({ kind: "echo", input: {}, tags: ["typescript-batch"] }));
await client.POST("/api/v1/tasks/batch", { body });
const seen = new Set<string>();
let cursor: string | null | undefined;
do {
  const query = { tag: "typescript-batch", limit: 2, ...(cursor ? { cursor } : {}) };
  const page = good(await client.GET("/api/v1/tasks", { params: { query } }));
  page.data.forEach((task) => seen.add(task.id));
  cursor = page.next_cursor;
} while (cursor);
assert.equal(seen.size, 5);

// What happened, by its type: a choice that the compiler knows.
const history = good(
  await client.GET("/api/v1/tasks/{id}/events", {
    params: { path: { id: task.id } },
    headers: { Accept: "application/json" },
  }),
) as components["schemas"]["EventPage"];
const tell = (event: Event): string => {
  switch (event.type) {
    case "status": return event.status;
    case "progress": return `${event.progress.percent}`;
    case "log": return `${event.level} ${event.message}`;
    case "artifact": return event.name;
  }
};
assert.equal(history.data.map(tell).filter((line) => line.startsWith("info ")).length, 3);

// The same as a stream, until it ends.
const stream = await client.GET("/api/v1/tasks/{id}/events", { params: { path: { id: task.id } }, parseAs: "text" });
assert.match(String(stream.data), /^event: done$/m);

// A video, and its files with what they should be, from addresses that need no key.
const video = (
  await submit({
    kind: "video.generate",
    input: {
      title: "Scenario",
      description: "A small picture that moves.",
      duration: 15,
      style: "minimal",
      tone: "calm",
      output: { width: 160, height: 160, fps: 12, quality: "draft" },
    },
  })
).task;
const made = await ended(video.id);
assert.equal(made.status, "succeeded", JSON.stringify(made.error));
assert.ok(made.artifacts.length > 0);
for (const file of made.artifacts) {
  const bytes = Buffer.from(await (await fetch(file.url)).arrayBuffer());
  assert.equal(createHash("sha256").update(bytes).digest("hex"), file.sha256);
}

// Keys: one that may only read is refused, and opens nothing when it is revoked.
const key = good(await client.POST("/api/v1/keys", { body: { name: "reader", scopes: ["tasks:read"] } }));
const reader = withKey(key.secret);
good(await reader.GET("/api/v1/tasks"));
assert.equal((await reader.POST("/api/v1/tasks", { body: hello })).error?.code, "insufficient_scope");
const revoked = good(await client.POST("/api/v1/keys/{id}/revoke", { params: { path: { id: key.key.id } } }));
assert.equal(revoked.status, "revoked");
assert.equal((await createClient<paths>({ baseUrl }).GET("/api/v1/tasks")).error?.code, "unauthorized");

console.log(`typescript: the scenario went through; ${made.artifacts.length} files of a video, ${seen.size} tasks on pages`);
