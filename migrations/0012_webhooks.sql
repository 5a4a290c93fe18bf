-- Webhooks: who is told of what happens, what they were told, and what came of it.

-- Standing endpoints.
CREATE TABLE webhooks (
    id               uuid PRIMARY KEY,
    project          integer NOT NULL REFERENCES projects (id),
    url              text NOT NULL,
    description      text NOT NULL DEFAULT '',
    -- Which events: patterns such as `task.*`. And of which tasks; an empty list is all of them.
    events           text[] NOT NULL CHECK (cardinality(events) > 0),
    kinds            text[] NOT NULL DEFAULT '{}',
    tags             text[] NOT NULL DEFAULT '{}',
    groups           text[] NOT NULL DEFAULT '{}',
    enabled          boolean NOT NULL DEFAULT true,
    disabled_reason  text CHECK (disabled_reason IN ('asked', 'gone', 'failing')),
    disabled_at      timestamptz,
    -- How requests are signed, beside `v1`.
    ed25519          boolean NOT NULL DEFAULT false,
    -- Under a key of the installation. The one before goes on signing for a while.
    sealed           bytea NOT NULL,
    sealed_before    bytea,
    before_until     timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CHECK (enabled = (disabled_at IS NULL) AND enabled = (disabled_reason IS NULL)),
    CHECK ((sealed_before IS NULL) = (before_until IS NULL))
);

CREATE INDEX webhooks_project ON webhooks (project, id);
CREATE INDEX webhooks_enabled ON webhooks (project) WHERE enabled;

-- Whether anybody listens to a project: what a submission looks at, once a statement.
ALTER TABLE projects ADD COLUMN announces boolean NOT NULL DEFAULT false;
CREATE INDEX projects_announcing ON projects (id) WHERE announces;

ALTER TABLE tasks
    -- Somebody is to be told of what happens to this task.
    ADD COLUMN announced boolean NOT NULL DEFAULT false,
    -- A receiver of its own: `{url, events, sealed?}`.
    ADD COLUMN webhook json;

-- Projects whose unfinished tasks are still to be marked as announced: those that were there before the first endpoint.
CREATE TABLE webhook_marks (
    project  integer PRIMARY KEY,
    -- What began before this may have looked before there was an endpoint.
    since    xid8 NOT NULL DEFAULT pg_current_xact_id()
);

-- What happened and nobody has looked at yet. A row is written in the commit of what it tells.
CREATE TABLE webhook_outbox (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    project  integer NOT NULL,
    type     text NOT NULL,
    -- Of a task: which one, and the number of the moment in its history.
    task     uuid,
    seq      bigint,
    -- Of anything else.
    data     json,
    CHECK ((task IS NULL) = (seq IS NULL) AND (task IS NULL) = (data IS NOT NULL))
);

-- What is told, as it is sent: the same bytes however often.
CREATE TABLE webhook_messages (
    id       uuid PRIMARY KEY,
    project  integer NOT NULL,
    type     text NOT NULL,
    task     uuid,
    at       timestamptz NOT NULL,
    body     text NOT NULL
);

-- Who is told one after the other: an endpoint, or for receivers of single tasks their host. One deliverer holds a lane at a time.
CREATE TABLE webhook_lanes (
    id             uuid PRIMARY KEY,
    project        integer NOT NULL,
    -- There is nothing to do before; nothing at all without it.
    due_at         timestamptz DEFAULT now(),
    holder         uuid,
    -- The fencing token: raised by every claim, never lowered.
    epoch          integer NOT NULL DEFAULT 0,
    lease_until    timestamptz,
    -- Another number whenever something came in.
    stirred        integer NOT NULL DEFAULT 0,
    -- Whether it answered lately, how often in a row it failed, since when, and until when it wants to be left alone.
    answered       boolean NOT NULL DEFAULT false,
    failures       integer NOT NULL DEFAULT 0,
    failing_since  timestamptz,
    slow_until     timestamptz,
    CHECK ((holder IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 50);

CREATE INDEX webhook_lanes_due ON webhook_lanes (answered, due_at) WHERE holder IS NULL;
CREATE INDEX webhook_lanes_held ON webhook_lanes (answered, lease_until) WHERE holder IS NOT NULL;

CREATE TABLE webhook_deliveries (
    id          uuid PRIMARY KEY,
    lane        uuid NOT NULL,
    message     uuid NOT NULL,
    project     integer NOT NULL,
    -- None for the receiver of the task itself.
    webhook     uuid,
    task        uuid,
    -- What is told of one task to one lane is told in this order.
    nth         bigint GENERATED ALWAYS AS IDENTITY,
    status      text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'succeeded', 'failed', 'canceled')),
    -- How often it was tried, and how often since it was last asked for.
    attempts    integer NOT NULL DEFAULT 0,
    tried       integer NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL DEFAULT now(),
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    CHECK ((ended_at IS NULL) = (status = 'pending'))
) WITH (fillfactor = 70);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (lane, due_at, nth) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_order ON webhook_deliveries (lane, task, nth) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_log ON webhook_deliveries (webhook, id) WHERE webhook IS NOT NULL;
CREATE INDEX webhook_deliveries_task ON webhook_deliveries (task, id) WHERE webhook IS NULL;

-- How each attempt went.
CREATE TABLE webhook_attempts (
    delivery  uuid NOT NULL,
    attempt   integer NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    url       text NOT NULL,
    status    smallint,
    error     text,
    -- What was sent and answered, cut, and how long its parts took.
    details   json NOT NULL,
    took_ms   integer NOT NULL,
    PRIMARY KEY (delivery, attempt)
);

-- A task that somebody listens to says what happened to it.
CREATE FUNCTION announce_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_outbox (project, type, task, seq)
    VALUES (NEW.project, CASE NEW.state WHEN 'running' THEN 'task.started' ELSE 'task.' || NEW.state END, NEW.id, NEW.seq);
    PERFORM pg_notify('longshore_announced', '');
    RETURN NULL;
END $$;

CREATE TRIGGER tasks_announced_at_birth AFTER INSERT ON tasks FOR EACH ROW
    WHEN (NEW.announced AND NEW.state = 'queued') EXECUTE FUNCTION announce_task();
CREATE TRIGGER tasks_announced AFTER UPDATE OF state ON tasks FOR EACH ROW
    WHEN (NEW.announced AND NEW.state IS DISTINCT FROM OLD.state AND NEW.state NOT IN ('scheduled', 'blocked', 'canceling'))
    EXECUTE FUNCTION announce_task();

-- Each statement of a volatile function sees what was committed before it, and the lock makes two of them take turns.
CREATE FUNCTION note_listeners() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    whose integer := COALESCE(NEW.project, OLD.project);
    before boolean;
    after boolean;
BEGIN
    SELECT announces INTO before FROM projects WHERE id = whose FOR NO KEY UPDATE;
    after := EXISTS (SELECT FROM webhooks WHERE project = whose AND enabled);
    IF before IS DISTINCT FROM after THEN
        UPDATE projects SET announces = after WHERE id = whose;
    END IF;
    IF after AND NOT before THEN
        INSERT INTO webhook_marks (project) VALUES (whose)
        ON CONFLICT (project) DO UPDATE SET since = pg_current_xact_id();
        PERFORM pg_notify('longshore_announced', '');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER webhooks_heard AFTER INSERT OR UPDATE OF enabled OR DELETE ON webhooks FOR EACH ROW
    EXECUTE FUNCTION note_listeners();
