-- What lists and explanations look things up by. No task that is submitted, run and ended by the default project and in order pays
-- for an entry here, unless it has tags or metadata of its own: `docs/lists.md` has what each index costs.

-- The default project is walked along the primary key.
CREATE INDEX tasks_of_project ON tasks (project, id) WHERE project <> 1;
CREATE INDEX tasks_unsuccessful ON tasks (project, id) WHERE state IN ('failed', 'canceled', 'expired');
-- A short list of what is not sorted in yet: whoever searches goes through it.
CREATE INDEX tasks_tags ON tasks USING gin (tags) WITH (gin_pending_list_limit = 512) WHERE tags <> '{}';
CREATE INDEX tasks_metadata ON tasks USING gin (metadata jsonb_path_ops) WITH (gin_pending_list_limit = 512)
    WHERE metadata <> '{}';
-- Which blocks of the table may hold a group or a kind: a hundredth of the size of a B-tree, and nothing to write for new blocks.
CREATE INDEX tasks_names ON tasks USING brin ("group" text_bloom_ops, kind text_bloom_ops)
    WITH (pages_per_range = 16, autosummarize = on);

-- What was foretold of some tasks, to be compared with what came.
CREATE TABLE forecasts (
    task        uuid PRIMARY KEY,
    project     integer NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT now(),
    -- Of tasks that waited when it was made.
    start_p50   timestamptz,
    start_p90   timestamptz,
    finish_p50  timestamptz,
    finish_p90  timestamptz
);

CREATE INDEX forecasts_age ON forecasts (project, made_at);
