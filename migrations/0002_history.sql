-- The history of a task moves into its row: a transition writes one row instead of two, and no index of a table of its own.

-- One transition. The wide fields first, so that nothing is lost to alignment.
CREATE TYPE task_moment AS (
    seq      bigint,
    at       timestamptz,
    worker   uuid,
    attempt  integer,
    epoch    integer,
    event    text,
    state    text,
    -- JSON. Not of that type, which knows no equality: the history is compared below.
    data     text
);

-- The only place that says what a moment is. Postgres puts the body of such a function where it is called.
CREATE FUNCTION moment(seq bigint, event text, state text, attempt integer, epoch integer,
    worker uuid DEFAULT NULL, data json DEFAULT NULL) RETURNS task_moment LANGUAGE sql AS $$
    SELECT ROW(seq, clock_timestamp(), worker, attempt, epoch, event, state, data::text)::task_moment
$$;

ALTER TABLE tasks ADD COLUMN history task_moment[] NOT NULL DEFAULT '{}';

-- What has ended stays and does not change, so the dead are counted against the living and not against all that ever was.
ALTER TABLE tasks SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.02);

-- All that happened to tasks: the moments in their rows and the words of their attempts, which stay rows of `task_events`. Programs
-- of before write their moments there, too, so no row is moved: a history may begin there and go on in the row.
CREATE VIEW task_history AS
    SELECT t.id AS task_id, m.seq, m.at, 'status'::text AS type, m.event, m.state, m.attempt, m.epoch, m.worker,
        m.data::json AS data
    FROM tasks t CROSS JOIN unnest(t.history) AS m
    UNION ALL
    SELECT task_id, seq, at, type, event, state, attempt, epoch, worker, data FROM task_events;

CREATE OR REPLACE TRIGGER tasks_ended_is_immutable BEFORE UPDATE ON tasks FOR EACH ROW
    WHEN (OLD.finished_at IS NOT NULL AND (
        (OLD.state, OLD.epoch, OLD.attempt, OLD.finished_at, OLD.seq, OLD.history)
            IS DISTINCT FROM (NEW.state, NEW.epoch, NEW.attempt, NEW.finished_at, NEW.seq, NEW.history)
        OR OLD.output::text IS DISTINCT FROM NEW.output::text
        OR OLD.error::text IS DISTINCT FROM NEW.error::text))
    EXECUTE FUNCTION refuse_change_of_ended_task();

CREATE FUNCTION refuse_change_of_moments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of task % only grows', OLD.id USING ERRCODE = 'check_violation';
END $$;

-- Only statements that write a history are looked at: words of attempts do not.
CREATE TRIGGER tasks_history_only_grows BEFORE UPDATE OF history ON tasks FOR EACH ROW
    WHEN (OLD.history IS DISTINCT FROM NEW.history[:cardinality(OLD.history)])
    EXECUTE FUNCTION refuse_change_of_moments();
