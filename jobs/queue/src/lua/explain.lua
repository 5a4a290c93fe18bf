-- ARGV[1] an id, ARGV[2] its group, ARGV[3] how many groups to look at. Says where the id stands, and what is before it:
-- its rank in its group (-1: it is not ready), how many ms it has been held (-1: it is not), what its group has ready and running,
-- what the queue has ready and held, how many groups take turns; where the group is (1 takes turns, 2 waits for one of its own to end,
-- 3 waits for its rate, 0 none of these); in how many ms the rate of the queue, and that of the group, lets one start (-1: no rate);
-- and how many ids of other groups have their turn before.
local id, group, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now, queue, mine = now_ms(), settings(), rule(group) or {}
local rank = redis.call('ZRANK', ready .. group, id) or -1
local since = redis.call('ZSCORE', held, id .. group)
local vtime = redis.call('ZSCORE', ring, group)
local where = 0
if vtime then
  where = 1
elseif redis.call('SISMEMBER', parked, group) == 1 then
  where = 2
elseif redis.call('ZSCORE', later, group) then
  where = 3
end
local function delay_of(name, rate)
  if not rate then return -1 end
  local count, delay = tokens(name, rate, now)
  return count >= 1 and 0 or math.max(0, math.ceil(delay))
end

-- Others go first as long as their virtual time is below the one at which it is this id's turn: start-time fair queueing, as in claim.
local before = 0
if rank >= 0 then
  vtime = tonumber(vtime or redis.call('ZSCORE', past, group) or redis.call('GET', base .. ':vtime') or 0)
  local mine_at = vtime + rank / (mine.weight or 1)
  local until_mine = '(' .. exact(mine_at)
  local others = redis.call('ZRANGEBYSCORE', ring, '-inf', until_mine, 'WITHSCORES', 'LIMIT', 0, most)
  local looked = 0
  for i = 1, #others, 2 do
    if others[i] ~= group then
      local weight = (rule(others[i]) or {}).weight or 1
      local turns = math.ceil((mine_at - tonumber(others[i + 1])) * weight - 1e-9)
      before = before + math.min(turns, redis.call('ZCARD', ready .. others[i]))
      looked = looked + 1
    end
  end
  -- More than may be looked at once are taken to be like those that were.
  if #others / 2 >= most and looked > 0 then
    before = math.floor(before * (redis.call('ZCOUNT', ring, '-inf', until_mine) - 1) / looked)
  end
end
return {
  rank,
  since and math.max(0, math.floor(now - tonumber(since))) or -1,
  redis.call('ZCARD', ready .. group),
  tonumber(redis.call('HGET', running, group) or 0),
  tonumber(redis.call('GET', depth) or 0),
  redis.call('ZCARD', held),
  redis.call('ZCARD', ring),
  where,
  delay_of('queue', queue.rate),
  delay_of('group:' .. group, mine.rate),
  before,
}
