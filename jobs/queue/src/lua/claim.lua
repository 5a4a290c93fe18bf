-- ARGV[1] how many ids at most. Gives in how many ms something may be ready that is not now (-1: nobody knows), and what was taken,
-- each an id with its group behind it.
-- Takes in fair order: the group with the least virtual time goes first and pays one unit for each id, divided by its weight
-- (start-time fair queueing, Goyal, Vin and Cheng 1996); within a group by the score that push gave.
local want, now, queue = tonumber(ARGV[1]), now_ms(), settings()
if queue.paused then return { -1, {} } end
local room = want
if queue.concurrency then
  room = math.min(room, queue.concurrency - redis.call('ZCARD', held))
  if room < 1 then
    redis.call('SET', full, 1)
    return { -1, {} }
  end
end
if queue.rate then
  redis.call('ZREMRANGEBYSCORE', spent, '-inf', now)
  local count, delay = tokens('queue', queue.rate, now)
  if count < 1 then return { math.ceil(delay), {} } end
  room = math.min(room, count)
end
if is_limited then
  for _, group in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', now, 'LIMIT', 0, want)) do
    redis.call('ZREM', later, group)
    join(group)
  end
end

local out, taken, again = {}, 0, -1

-- One turn of a group: gives its virtual time afterwards if it stays in the ring.
local function turn(group, vtime, share)
  local mine = rule(group) or {}
  local delay
  if mine.paused then share = 0 end
  if mine.concurrency then
    share = math.min(share, mine.concurrency - tonumber(redis.call('HGET', running, group) or 0))
  end
  if share > 0 and mine.rate then
    local count
    count, delay = tokens('group:' .. group, mine.rate, now)
    share = math.min(share, math.max(count, 0))
  end
  local popped = share > 0 and redis.call('ZPOPMIN', ready .. group, share) or {}
  local count, holds = #popped / 2, 0
  local entries = {}
  for i = 1, #popped, 2 do
    local entry = popped[i] .. group
    out[#out + 1] = entry
    entries[#entries + 1] = now
    entries[#entries + 1] = entry
  end
  taken = taken + count
  if count > 0 then
    -- One that was pushed twice may be held already: it counts once.
    holds = redis.call('HINCRBY', running, group, redis.call('ZADD', held, unpack(entries)))
  end
  if mine.rate and count > 0 then
    spend('group:' .. group, mine.rate, now, count)
    local more
    more, delay = tokens('group:' .. group, mine.rate, now)
    if more > 0 then delay = nil end
  end
  vtime = vtime + count / (mine.weight or 1)
  local is_left = redis.call('EXISTS', ready .. group) == 1
  local is_full = mine.concurrency and holds >= mine.concurrency
  if is_left and share > 0 and not delay and not is_full then
    redis.call('ZADD', ring, exact(vtime), group)
    return vtime
  end
  redis.call('ZREM', ring, group)
  -- It has paid up to here, should it come back soon.
  redis.call('ZADD', past, exact(vtime), group)
  if is_left then
    if delay and not mine.paused and not is_full then
      redis.call('ZADD', later, exact(now + delay), group)
    else
      redis.call('SADD', parked, group)
    end
  end
end

-- Groups that turn out to have to wait are visited, too: so their number is bounded.
local visits = want + 200
while taken < room and visits > 0 do
  local heads = redis.call('ZRANGE', ring, 0, math.min(room - taken, visits) - 1, 'WITHSCORES')
  if #heads == 0 then break end
  local groups, next_turn = redis.call('ZCARD', ring), math.huge
  for i = 1, #heads, 2 do
    -- A group that had its turn may be the first one again.
    if taken >= room or tonumber(heads[i + 1]) > next_turn then break end
    visits = visits - 1
    local share = math.max(1, math.floor((room - taken) / groups))
    local vtime = turn(heads[i], tonumber(heads[i + 1]), share)
    if vtime then next_turn = math.min(next_turn, vtime) else groups = math.max(1, groups - 1) end
  end
end
deepen(-taken)
if queue.rate and taken > 0 then spend('queue', queue.rate, now, taken) end

-- The present is where the next turn starts; when nothing waits, where the last one ended. It never goes back.
local present = redis.call('ZRANGE', ring, 0, 0, 'WITHSCORES')[2] or redis.call('ZRANGE', past, -1, -1, 'WITHSCORES')[2]
local known = redis.call('GET', base .. ':vtime')
if present and (not known or tonumber(present) > tonumber(known)) then
  known = present
  redis.call('SET', base .. ':vtime', known)
end
if known then redis.call('ZREMRANGEBYSCORE', past, '-inf', known) end

local is_more = redis.call('EXISTS', ring) == 1
-- Whoever forgets one of them calls a worker then.
if queue.concurrency and is_more and redis.call('ZCARD', held) >= queue.concurrency then redis.call('SET', full, 1) end
local soonest = is_limited and redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')[2]
if not is_more and (not soonest or taken == 0) then
  -- Nothing is ready: tokens that are left would wake workers for nothing.
  redis.call('DEL', wake)
end
if taken == 0 then
  if is_more then
    -- The visits ended before the groups did.
    again = 0
  elseif soonest then
    again = math.max(0, math.ceil(soonest - now))
  end
elseif (is_more and taken == want) or soonest then
  -- There is more than this worker takes, or it will come: let another one look.
  call_one()
end
return { again, out }
