-- How long tasks wait and run, as their workers measured it, and what they came to: what is expected of others is read off here.

-- Adds a histogram to another, and lets what is old fade: both together weigh no more than `most`.
CREATE FUNCTION merge_times(known real[], fresh real[], most real) RETURNS real[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg((weight * LEAST(1, most / GREATEST(total, 1)))::real ORDER BY nth)
    FROM (SELECT nth, COALESCE(k, 0) + COALESCE(f, 0) AS weight, sum(COALESCE(k, 0) + COALESCE(f, 0)) OVER () AS total
        FROM unnest(known, fresh) WITH ORDINALITY AS both_of_them (k, f, nth)) AS summed
$$;

-- One row for each kind of a project, for each kind of all projects and for each queue. Written by batches, some seconds apart.
CREATE TABLE measured_times (
    about       text NOT NULL CHECK (about IN ('kind', 'queue')),
    name        text NOT NULL,
    -- 0 for all projects together.
    project     integer NOT NULL,
    -- Histograms as `Times` of `jobs-core` reads them: from the queue to the start of an attempt, and from there to its end.
    wait        real[] NOT NULL,
    run         real[] NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (about, name, project)
) WITH (fillfactor = 50);

-- What attempts came to, by the minute in which their workers wrote it down.
CREATE TABLE outcomes (
    minute     timestamptz NOT NULL,
    project    integer NOT NULL,
    kind       text NOT NULL,
    queue      text NOT NULL,
    succeeded  bigint NOT NULL DEFAULT 0,
    failed     bigint NOT NULL DEFAULT 0,
    canceled   bigint NOT NULL DEFAULT 0,
    retried    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (minute, project, kind, queue)
) WITH (fillfactor = 50);
