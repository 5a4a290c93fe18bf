-- API keys: who may ask, for which project, and what for.

CREATE TABLE api_keys (
    id            uuid PRIMARY KEY,
    project       integer NOT NULL REFERENCES projects (id),
    name          text NOT NULL,
    -- Keyed. The secret itself is nowhere.
    hash          bytea NOT NULL CHECK (octet_length(hash) = 32),
    scopes        text[] NOT NULL CHECK (cardinality(scopes) > 0),
    -- Rates of its own, by class of route; those of the settings hold otherwise.
    limits        jsonb NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    -- The key that made it; none for one that was made on the machine itself.
    created_by    uuid,
    -- The key in whose place it came, and the one that came in its place.
    rotated_from  uuid,
    rotated_to    uuid,
    expires_at    timestamptz,
    last_used_at  timestamptz,
    revoked_at    timestamptz
);

CREATE INDEX api_keys_project ON api_keys (project, id);
