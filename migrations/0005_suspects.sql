-- Workers without Redis ask for a task that has to run alone four times a second: mostly there is none, and the backlog is long.
-- As many losses as `SUSPECT_LOSSES` says.
CREATE INDEX tasks_suspect ON tasks (queue, queued_at) WHERE state = 'queued' AND lost >= 2;
