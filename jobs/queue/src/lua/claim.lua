-- KEYS[1] the queue's base key. ARGV[1] how many ids at most.
-- Takes ids in fair order: the group with the least virtual time goes first and pays one unit for each id
-- (start-time fair queueing, Goyal, Vin and Cheng 1996); within a group by priority, then by age.
local base, want = KEYS[1], tonumber(ARGV[1])
local ring, held, past = base .. ':ring', base .. ':held', base .. ':past'
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out = {}
while #out < want do
  local head = redis.call('ZRANGE', ring, 0, 0, 'WITHSCORES')
  local group = head[1]
  if not group then break end
  local ready = base .. ':ready:' .. group
  local share = math.max(1, math.floor((want - #out) / redis.call('ZCARD', ring)))
  local popped = redis.call('ZPOPMIN', ready, share)
  for i = 1, #popped, 2 do
    out[#out + 1] = popped[i]
    redis.call('ZADD', held, now, popped[i])
  end
  local vtime = head[2] + #popped / 2
  if redis.call('EXISTS', ready) == 1 then
    redis.call('ZADD', ring, vtime, group)
  else
    redis.call('ZREM', ring, group)
    -- It has paid up to here, should it come back soon.
    redis.call('ZADD', past, vtime, group)
  end
end
-- The present is where the next turn starts; when nothing waits, where the last one ended. It never goes back.
local present = redis.call('ZRANGE', ring, 0, 0, 'WITHSCORES')[2] or redis.call('ZRANGE', past, -1, -1, 'WITHSCORES')[2]
local known = redis.call('GET', base .. ':vtime')
if present and (not known or tonumber(present) > tonumber(known)) then
  known = present
  redis.call('SET', base .. ':vtime', known)
end
if known then redis.call('ZREMRANGEBYSCORE', past, '-inf', known) end
if redis.call('EXISTS', ring) == 0 then
  -- Nothing is ready: tokens that are left would wake workers for nothing.
  redis.call('DEL', base .. ':wake')
elseif #out == want and redis.call('LLEN', base .. ':wake') == 0 then
  -- There is more than this worker takes: let another one look.
  redis.call('LPUSH', base .. ':wake', 1)
end
return out
