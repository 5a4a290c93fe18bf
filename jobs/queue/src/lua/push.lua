-- KEYS[1] the queue's base key. ARGV: id, group, priority, ready time in ms; again and again.
-- Puts ids among the ready ones of their groups. An id that is there already stays where it is.
local base = KEYS[1]
local ring, held, past = base .. ':ring', base .. ':held', base .. ':past'
local now = redis.call('GET', base .. ':vtime') or '0'
local added = 0
for i = 1, #ARGV, 4 do
  local id, group = ARGV[i], ARGV[i + 1]
  redis.call('ZREM', held, id)
  -- Priority first, then the time; both fit into the 53 bits of a score.
  local score = (9 - tonumber(ARGV[i + 2])) * 1e13 + tonumber(ARGV[i + 3])
  added = added + redis.call('ZADD', base .. ':ready:' .. group, 'NX', score, id)
  -- A group that joins starts at the present: it is owed nothing for the time it had nothing to do. One that has just had its
  -- turn starts behind it, or it would be first again and again.
  if redis.call('ZADD', ring, 'NX', redis.call('ZSCORE', past, group) or now, group) == 1 then
    redis.call('ZREM', past, group)
  end
end
-- A token wakes one worker. More tokens than workers are of no use, so their number is bounded.
local wake = base .. ':wake'
for _ = 1, math.min(added, 64) do redis.call('LPUSH', wake, 1) end
if added > 0 then redis.call('LTRIM', wake, 0, 255) end
return added
