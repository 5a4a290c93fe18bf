-- Prices as they were observed: what each run found, the last good price of each offer, and the series of its changes.

-- Definitions of providers, as projects wrote them. Those that come with the program are not here.
CREATE TABLE price_providers (
    project     integer NOT NULL,
    id          text NOT NULL CHECK (id ~ '^[a-z0-9_-]{1,64}$'),
    definition  jsonb NOT NULL,
    -- A recorded answer, to see what the definition reads. Without one it cannot be run.
    sample      text,
    enabled     boolean NOT NULL DEFAULT true CHECK (sample IS NOT NULL OR NOT enabled),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, id)
);

-- What came of each task that asked for prices: once a task, whatever its attempts.
CREATE TABLE price_runs (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task           uuid NOT NULL UNIQUE,
    epoch          integer NOT NULL,
    project        integer NOT NULL,
    -- `provider:<id>`, or the address of a page.
    source         text NOT NULL,
    outcome        text NOT NULL CHECK (outcome IN ('ok', 'ambiguous', 'no_price', 'refused_zero', 'unpriced', 'fetch', 'parse',
        'blocked_by_robots', 'blocked_by_policy', 'suspicious')),
    detail         text,
    -- Prices that were found, also those that were not believed, and items that were no offers.
    rows           integer NOT NULL CHECK (rows >= 0),
    skipped        integer NOT NULL CHECK (skipped >= 0),
    -- The source said that nothing had changed.
    unchanged      boolean NOT NULL,
    -- What the next run asks with, and compares with.
    etag           text,
    last_modified  text,
    digest         text,
    output         json NOT NULL,
    asked_at       timestamptz NOT NULL
);

CREATE INDEX price_runs_source ON price_runs (project, source, id DESC);
CREATE INDEX price_runs_good ON price_runs (project, source, id DESC) WHERE outcome = 'ok';
CREATE INDEX price_runs_age ON price_runs USING brin (asked_at);

-- Each offer that was ever seen, with its last good price. What no good run found for long has an old `observed_at`, and keeps its price.
CREATE TABLE price_offers (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project      integer NOT NULL,
    -- A digest of what tells offers apart: 32 hexadecimal digits.
    key          text NOT NULL CHECK (key ~ '^[0-9a-f]{32}$'),
    source       text NOT NULL,
    provider     text NOT NULL,
    seller       text,
    sku          text,
    name         text,
    url          text,
    gpu_raw      text,
    gpu          text,
    vram_gb      numeric(18, 9),
    gpu_count    integer CHECK (gpu_count > 0),
    region       text,
    market       text NOT NULL,
    tier         text,
    component    text,
    currency     text CHECK (currency ~ '^[A-Z]{3}$'),
    unit         text NOT NULL,
    amount       numeric(18, 9) NOT NULL,
    list_price   numeric(18, 9),
    available    boolean,
    reliability  numeric(18, 9),
    evidence     jsonb NOT NULL,
    task         uuid NOT NULL,
    -- The good run that saw it last.
    run          bigint NOT NULL,
    first_seen_at timestamptz NOT NULL,
    observed_at  timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL,
    UNIQUE (project, key)
) WITH (fillfactor = 70);

CREATE INDEX price_offers_gpu ON price_offers (project, gpu, id);
CREATE INDEX price_offers_provider ON price_offers (project, provider, id);
CREATE INDEX price_offers_source ON price_offers (project, source, run);

-- The facts: every price that a good run saw.
CREATE TABLE price_observations (
    offer        bigint NOT NULL,
    observed_at  timestamptz NOT NULL,
    project      integer NOT NULL,
    amount       numeric(18, 9) NOT NULL,
    currency     text,
    unit         text NOT NULL,
    market       text NOT NULL,
    available    boolean,
    evidence     jsonb NOT NULL,
    task         uuid NOT NULL,
    PRIMARY KEY (offer, observed_at)
);

CREATE INDEX price_observations_age ON price_observations USING brin (observed_at);

-- Beside them the series of changes: a row where the amount, or whether it can be had, is another than before.
CREATE TABLE price_changes (
    offer        bigint NOT NULL,
    observed_at  timestamptz NOT NULL,
    project      integer NOT NULL,
    amount       numeric(18, 9) NOT NULL,
    available    boolean,
    task         uuid NOT NULL,
    PRIMARY KEY (offer, observed_at)
);
