-- What operators say of queues and of their groups: limits, weights, pauses.

CREATE SEQUENCE queue_versions;

CREATE TABLE queues (
    name        text PRIMARY KEY,
    settings    jsonb NOT NULL DEFAULT '{}',
    -- A new number with every change of the queue or of one of its groups: whoever keeps a copy sees that it is old.
    version     bigint NOT NULL DEFAULT nextval('queue_versions'),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE queue_groups (
    queue     text NOT NULL REFERENCES queues (name),
    "group"   text NOT NULL,
    settings  jsonb NOT NULL,
    PRIMARY KEY (queue, "group")
);

-- Whether settings limit what is started: such limits are kept in Redis, so without Redis nothing is started under them.
CREATE FUNCTION limits_starts(settings jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT settings @> '{"paused": true}' OR settings ?| ARRAY['concurrency', 'rate']
        OR COALESCE(settings -> 'group_defaults' @> '{"paused": true}'
            OR settings -> 'group_defaults' ?| ARRAY['concurrency', 'rate'], false)
$$;
