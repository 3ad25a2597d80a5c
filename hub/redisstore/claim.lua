-- Claims a message id. KEYS[1]: its key. ARGV: digest of the content, fence, token,
-- since in ms, lease in ms, time to live of a claim in ms. Returns the state, and the token and
-- since of the claim, or the answer.
--
-- The value is "claimed" or "undecided" with fence, end of the lease, since, token, how often
-- the claim was taken over, and digest; or "settled" with digest and answer.
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function claim(since, token, taken)
  local lease = string.format('%.0f', now + ARGV[5])
  redis.call('SET', key, table.concat({'claimed', ARGV[2], lease, since, token, taken, ARGV[1]}, ' '), 'PX', ARGV[6])
end

local value = redis.call('GET', key)
if not value then
  claim(ARGV[4], ARGV[3], 0)
  return {'granted', ARGV[3], ARGV[4]}
end

local digest, answer = string.match(value, '^settled (%S+) (.*)$')
if digest then
  if digest ~= ARGV[1] then return {'conflict'} end
  return {'settled', answer}
end

local state, fence, lease, since, token, taken, digest = string.match(value, '^(%a+) (%S+) (%d+) (%d+) (%S+) (%d+) (%S+)$')
if not state then return redis.error_reply('DAMAGED the message id has an unknown value') end
if digest ~= ARGV[1] then return {'conflict'} end
if now < tonumber(lease) then return {state, token, since} end
claim(since, token, taken + 1)
return {'taken', token, since}
