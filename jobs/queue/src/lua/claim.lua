-- KEYS[1] the queue's base key. ARGV[1] how many ids at most.
-- Takes ids in fair order: the group with the least virtual time goes first and pays one unit for each id
-- (start-time fair queueing, Goyal, Vin and Cheng 1996); within a group by priority, then by age.
local base, want = KEYS[1], tonumber(ARGV[1])
local ring, held = base .. ':ring', base .. ':held'
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
  if redis.call('EXISTS', ready) == 1 then redis.call('ZADD', ring, vtime, group) else redis.call('ZREM', ring, group) end
  redis.call('SET', base .. ':vtime', head[2])
end
if redis.call('EXISTS', ring) == 0 then
  -- Nothing is ready: tokens that are left would wake workers for nothing.
  redis.call('DEL', base .. ':wake')
elseif #out == want and redis.call('LLEN', base .. ':wake') == 0 then
  -- There is more than this worker takes: let another one look.
  redis.call('LPUSH', base .. ':wake', 1)
end
return out
