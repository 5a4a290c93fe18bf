-- The mark of a task that others wait for is taken away under the task's lock, after a look of its own: a submission that came in
-- between has marked it for somebody who has not heard.

-- Each statement of a volatile function sees what was committed before it: so the second one sees what the holders of the locks left.
CREATE FUNCTION unmark_heard() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    locked uuid[];
BEGIN
    locked := ARRAY(SELECT id FROM tasks WHERE has_dependents AND finished_at IS NOT NULL
        ORDER BY id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED);
    UPDATE tasks t SET has_dependents = false
    WHERE id = ANY(locked) AND NOT EXISTS (SELECT FROM task_dependencies WHERE depends_on = t.id);
END $$;
