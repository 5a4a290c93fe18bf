-- Schedules: what makes tasks by itself, what became of each of its fires, and which tasks came of it.

-- What time it is for schedules: that of the transaction. One place, so that somebody who tries them out can give a database another time.
CREATE FUNCTION schedule_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT now() $$;

CREATE TABLE schedules (
    id             uuid PRIMARY KEY,
    project        integer NOT NULL REFERENCES projects (id),
    name           text NOT NULL CHECK (name ~ '^[A-Za-z0-9._:-]{1,100}$'),
    cron           text,
    every_ms       bigint CHECK (every_ms >= 1000),
    timezone       text NOT NULL,
    dst            text NOT NULL CHECK (dst IN ('cron', 'first', 'second', 'both')),
    jitter_ms      bigint NOT NULL CHECK (jitter_ms >= 0),
    starts_at      timestamptz,
    ends_at        timestamptz,
    -- A submission, as it was sent.
    task           json NOT NULL,
    overlap        text NOT NULL CHECK (overlap IN ('skip', 'queue', 'replace', 'allow')),
    -- How many missed fires are caught up with, of those that `catch_up` means.
    catch_up       text NOT NULL CHECK (catch_up IN ('none', 'latest', 'all')),
    catch_up_max   integer NOT NULL CHECK (catch_up_max BETWEEN 1 AND 1000),
    enabled        boolean NOT NULL,
    -- Why it is paused.
    note           text,
    -- Who keeps it, when that is a file.
    managed_by     text,
    -- The first fire that is not decided yet, also of one that is paused; none when there is none any more.
    next_at        timestamptz,
    -- When that starts; none for one that is paused.
    next_due_at    timestamptz CHECK (next_due_at IS NULL OR (enabled AND next_due_at >= next_at)),
    -- The last fire that was decided, and the last task that came of one.
    last_at        timestamptz,
    last_task      uuid,
    -- The fire whose task waits until those of earlier ones have ended.
    waiting_at     timestamptz,
    fired          bigint NOT NULL DEFAULT 0,
    skipped        bigint NOT NULL DEFAULT 0,
    failed         bigint NOT NULL DEFAULT 0,
    -- Another number after every change by a client; fires leave it as it is.
    version        bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project, name),
    CHECK ((cron IS NULL) <> (every_ms IS NULL))
) WITH (fillfactor = 50);

CREATE INDEX schedules_due ON schedules (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE INDEX schedules_waiting ON schedules (id) WHERE waiting_at IS NOT NULL;

-- What became of each fire. There is one row for a schedule and a time, whoever decides about it.
CREATE TABLE schedule_runs (
    schedule    uuid NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    fire_at     timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('fired', 'waiting', 'skipped', 'failed')),
    reason      text,
    detail      text,
    -- Of fires that were left out together: all before this.
    until_at    timestamptz,
    task        uuid,
    by_hand     boolean NOT NULL DEFAULT false,
    decided_at  timestamptz NOT NULL,
    PRIMARY KEY (schedule, fire_at),
    CHECK ((task IS NOT NULL) = (outcome = 'fired')),
    CHECK ((reason IS NOT NULL) = (outcome IN ('skipped', 'failed')))
);

CREATE INDEX schedule_runs_age ON schedule_runs USING brin (decided_at);

-- No foreign key: the task stays when its schedule goes.
ALTER TABLE tasks ADD COLUMN schedule_id uuid;

-- Both hold nothing of a task that no schedule made.
CREATE INDEX tasks_of_schedule ON tasks (schedule_id, id) WHERE schedule_id IS NOT NULL;
CREATE INDEX tasks_of_schedule_unfinished ON tasks (schedule_id) WHERE schedule_id IS NOT NULL AND finished_at IS NULL;

-- Whatever ends a task for which the next one of its schedule waits wakes the leading scheduler. A fire that begins to wait at this very
-- moment may not be seen here: the pulse of the leader finds it.
CREATE FUNCTION tell_of_schedule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM schedules WHERE id = NEW.schedule_id AND waiting_at IS NOT NULL) THEN
        PERFORM pg_notify('longshore_schedules', NEW.schedule_id::text);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER tasks_of_schedule_end AFTER UPDATE OF finished_at ON tasks FOR EACH ROW
    WHEN (NEW.schedule_id IS NOT NULL AND NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL)
    EXECUTE FUNCTION tell_of_schedule();
