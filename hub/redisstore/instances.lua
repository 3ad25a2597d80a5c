-- Counts the instances that have called within their lease. KEYS[1]: a sorted set of
-- instances, by when they lapse in Unix milliseconds. ARGV: the instance, its lease in ms
-- (0: it ends). Returns their number.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me, lease = ARGV[1], tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if lease > 0 then
	redis.call('ZADD', KEYS[1], now + lease, me)
	redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), lease))
else
	redis.call('ZREM', KEYS[1], me)
end
return redis.call('ZCARD', KEYS[1])
