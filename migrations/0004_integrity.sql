-- What the audit of the leading scheduler found, so that every process can say it.

-- How often each defect was found and repaired, since the first day.
CREATE TABLE integrity_defects (
    defect   text PRIMARY KEY,
    found    bigint NOT NULL CHECK (found > 0),
    last_at  timestamptz NOT NULL DEFAULT now()
);

-- The last round of the audit: one row.
CREATE TABLE integrity_round (
    is_last      boolean PRIMARY KEY DEFAULT true CHECK (is_last),
    took_ms      bigint NOT NULL,
    finished_at  timestamptz NOT NULL DEFAULT now(),
    tasks        bigint NOT NULL,
    entries      bigint NOT NULL,
    defects      bigint NOT NULL
);
