-- Tasks that wait for tasks, tasks that callers share, tasks that are tried again after their end, and tasks that are removed.

ALTER TABLE tasks
    -- How many attempts of earlier openings count no more.
    ADD COLUMN forgiven integer NOT NULL DEFAULT 0,
    -- Somebody waits for the end of this task, or has not heard of it yet.
    ADD COLUMN has_dependents boolean NOT NULL DEFAULT false,
    -- The tasks that it was to wait for, as they were asked for; and for how many of them it still waits.
    ADD COLUMN depends_on uuid[],
    ADD COLUMN blockers integer,
    -- What makes two submissions the same work.
    ADD COLUMN coalesce_key text,
    ADD COLUMN replayed_from uuid,
    ADD CONSTRAINT tasks_counts CHECK (forgiven >= 0 AND blockers >= 0) NOT VALID;

-- Who still waits for whom. A row goes as soon as its wait is over.
CREATE TABLE task_dependencies (
    task        uuid NOT NULL,
    depends_on  uuid NOT NULL,
    PRIMARY KEY (task, depends_on)
);

CREATE INDEX task_dependencies_dependents ON task_dependencies (depends_on, task);

-- The next three hold nothing of a task that waits for none, is waited for by none and is shared by none.
CREATE INDEX tasks_blocked ON tasks (id) WHERE state = 'blocked';
CREATE INDEX tasks_to_settle ON tasks (id) WHERE has_dependents AND finished_at IS NOT NULL;

-- Of work that can still be joined there is one. What is being stopped is not joined, so another one may come beside it.
CREATE UNIQUE INDEX tasks_coalesced ON tasks (coalesce_key)
    WHERE coalesce_key IS NOT NULL AND state IN ('scheduled', 'blocked', 'queued', 'running', 'retrying');
CREATE INDEX tasks_coalesced_results ON tasks (coalesce_key, finished_at)
    WHERE coalesce_key IS NOT NULL AND state = 'succeeded';

-- Whatever ends a task that somebody waits for wakes the leading scheduler, in the same commit.
CREATE FUNCTION tell_of_dependents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('longshore_settle', '');
    RETURN NULL;
END $$;

CREATE TRIGGER tasks_end_with_dependents AFTER UPDATE ON tasks FOR EACH ROW
    WHEN (NEW.has_dependents AND NEW.finished_at IS NOT NULL AND (OLD.finished_at IS NULL OR NOT OLD.has_dependents))
    EXECUTE FUNCTION tell_of_dependents();

-- A task that ended without success may be opened again, by this move and no other: then it ends once more. Its epoch never goes back.
CREATE OR REPLACE FUNCTION refuse_change_of_ended_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('failed', 'canceled', 'expired') AND NEW.state = 'queued' AND NEW.finished_at IS NULL
        AND (NEW.epoch, NEW.attempt, NEW.seq) = (OLD.epoch, OLD.attempt, OLD.seq + 1) AND NEW.output IS NULL
        AND cardinality(NEW.history) = cardinality(OLD.history) + 1
        AND (NEW.history[cardinality(NEW.history)]).event = 'reopen'
        AND (NEW.history[cardinality(NEW.history)]).seq = NEW.seq
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'task % has ended as % and does not change', OLD.id, OLD.state USING ERRCODE = 'check_violation';
END $$;

-- Files of tasks that are gone, until somebody has removed them.
CREATE TABLE leftovers (
    task   uuid PRIMARY KEY,
    since  timestamptz NOT NULL DEFAULT now()
);
