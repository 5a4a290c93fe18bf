-- The first tables: tasks, their history, the workers that run them.

-- One row is one life of a worker process. Its lease is `beat_at` plus the lease time; a worker that is late is dead.
CREATE TABLE workers (
    id          uuid PRIMARY KEY,
    name        text NOT NULL,
    pid         integer NOT NULL,
    queues      jsonb NOT NULL,
    version     text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    beat_at     timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    end_reason  text CHECK (end_reason IN ('stopped', 'lost')),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) WITH (fillfactor = 50);

CREATE INDEX workers_living ON workers (id) WHERE ended_at IS NULL;

CREATE TABLE tasks (
    id                   uuid PRIMARY KEY,
    kind                 text NOT NULL,
    queue                text NOT NULL,
    "group"              text NOT NULL,
    priority             smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    state                text NOT NULL CHECK (state IN ('scheduled', 'blocked', 'queued', 'running', 'canceling',
                                                       'retrying', 'succeeded', 'failed', 'canceled', 'expired')),
    -- `json` keeps what was sent as it was sent; nothing ever looks inside.
    input                json NOT NULL,
    output               json,
    error                json,
    progress             json,
    progress_at          timestamptz,
    attempt              integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    lost                 integer NOT NULL DEFAULT 0 CHECK (lost >= 0),
    max_attempts         integer NOT NULL CHECK (max_attempts >= 1),
    -- The fencing token: raised by every claim, never lowered, never reset.
    epoch                integer NOT NULL DEFAULT 0,
    worker               uuid,
    retry                json NOT NULL,
    timeout_ms           bigint NOT NULL CHECK (timeout_ms > 0),
    tags                 text[] NOT NULL DEFAULT '{}',
    metadata             jsonb NOT NULL DEFAULT '{}',
    request_id           text,
    idempotency_key      text,
    created_at           timestamptz NOT NULL DEFAULT now(),
    due_at               timestamptz,
    queued_at            timestamptz,
    started_at           timestamptz,
    cancel_requested_at  timestamptz,
    finished_at          timestamptz,
    deadline             timestamptz,
    seq                  bigint NOT NULL DEFAULT 1,
    CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'canceled', 'expired'))),
    CHECK (state NOT IN ('running', 'canceling') OR (worker IS NOT NULL AND started_at IS NOT NULL)),
    CHECK (state NOT IN ('scheduled', 'retrying') OR due_at IS NOT NULL),
    CHECK (state <> 'queued' OR queued_at IS NOT NULL)
) WITH (fillfactor = 70);

-- Each index holds the unfinished only, so what has ended costs nothing.
CREATE INDEX tasks_queued ON tasks (queued_at, id) WHERE state = 'queued';
CREATE INDEX tasks_due ON tasks (due_at) WHERE state IN ('scheduled', 'retrying');
CREATE INDEX tasks_held ON tasks (worker) WHERE state IN ('running', 'canceling');
CREATE INDEX tasks_deadline ON tasks (deadline)
    WHERE deadline IS NOT NULL AND state IN ('scheduled', 'blocked', 'queued', 'retrying');

-- The history. Rows are added and never changed; `seq` numbers them per task without a gap.
CREATE TABLE task_events (
    task_id  uuid NOT NULL,
    seq      bigint NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    type     text NOT NULL CHECK (type IN ('status', 'progress', 'log', 'artifact')),
    event    text,
    state    text,
    attempt  integer NOT NULL,
    epoch    integer NOT NULL,
    worker   uuid,
    data     json,
    PRIMARY KEY (task_id, seq),
    CHECK ((type = 'status') = (event IS NOT NULL AND state IS NOT NULL))
);

-- A task ends once.
CREATE UNIQUE INDEX task_events_end ON task_events (task_id)
    WHERE type = 'status' AND state IN ('succeeded', 'failed', 'canceled', 'expired');

-- Files of attempts. Clients see those of the attempt that succeeded.
CREATE TABLE artifacts (
    task_id       uuid NOT NULL,
    epoch         integer NOT NULL,
    name          text NOT NULL,
    content_type  text NOT NULL,
    size_bytes    bigint NOT NULL CHECK (size_bytes >= 0),
    sha256        text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (task_id, epoch, name)
);

CREATE TABLE idempotency_keys (
    key          text PRIMARY KEY,
    fingerprint  bytea NOT NULL,
    task_id      uuid NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE FUNCTION refuse_change_of_ended_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'task % has ended as % and does not change', OLD.id, OLD.state USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER tasks_ended_is_immutable BEFORE UPDATE ON tasks FOR EACH ROW
    WHEN (OLD.finished_at IS NOT NULL AND (
        (OLD.state, OLD.epoch, OLD.attempt, OLD.finished_at, OLD.seq)
            IS DISTINCT FROM (NEW.state, NEW.epoch, NEW.attempt, NEW.finished_at, NEW.seq)
        OR OLD.output::text IS DISTINCT FROM NEW.output::text
        OR OLD.error::text IS DISTINCT FROM NEW.error::text))
    EXECUTE FUNCTION refuse_change_of_ended_task();

CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of task % is never rewritten', OLD.task_id USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER task_events_are_immutable BEFORE UPDATE ON task_events FOR EACH ROW
    EXECUTE FUNCTION refuse_change_of_history();
