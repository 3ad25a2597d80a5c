-- Adds a revocation. KEYS: the sets by time of addition and by end. ARGV: the
-- revocation, its end in ms, the greatest number of revocations. Returns its score, or
-- 'full'.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now), 'LIMIT', 0, 1000)
for _, member in ipairs(ended) do
  redis.call('ZREM', KEYS[1], member)
  redis.call('ZREM', KEYS[2], member)
end
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then
  return 'full'
end
local score = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if last[2] and tonumber(last[2]) >= score then
  -- The clock went back, or this is the second one in a microsecond.
  score = tonumber(last[2]) + 1
end
score = string.format('%.0f', score)
redis.call('ZADD', KEYS[1], score, ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
return score
