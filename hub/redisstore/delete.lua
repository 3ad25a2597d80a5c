-- Forgets a position, but not the fence, which must go on rising. KEYS[1]: the
-- name's hash. ARGV: time to live in ms. Returns whether the fence is kept (1 or 0).
local fence = redis.call('HGET', KEYS[1], 'fence')
redis.call('DEL', KEYS[1])
if fence then
  redis.call('HSET', KEYS[1], 'fence', fence)
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return 1
end
return 0
