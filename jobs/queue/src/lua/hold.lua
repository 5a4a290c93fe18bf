-- ARGV: id, group; again and again. Workers hold these: an index that was lost did not say so.
local now, added = now_ms(), 0
for i = 1, #ARGV, 2 do
  local id, group = ARGV[i], ARGV[i + 1]
  if redis.call('ZADD', held, 'NX', now, id .. group) == 1 then
    redis.call('HINCRBY', running, group, 1)
    added = added + 1
  end
end
return added
