-- Claims a message id that is likely claimed already. KEYS[1]: its key. ARGV: digest of the
-- content, fence, token, since in ms, lease in ms, window in ms. Returns the state, and the
-- token and since of the claim with what is left of its lease in ms, or the answer.
--
-- The value is "claimed" or "undecided" with fence, window, since, token, how often the claim
-- was taken over, and digest; or "settled" with digest and answer. A claim lives for its lease
-- and its window: its lease is over once it lives for no more than the window.
local key = KEYS[1]

local function claim(since, token, taken)
  redis.call('SET', key, table.concat({'claimed', ARGV[2], ARGV[6], since, token, taken, ARGV[1]}, ' '), 'PX', ARGV[5] + ARGV[6])
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

local state, fence, window, since, token, taken, digest = string.match(value, '^(%a+) (%S+) (%d+) (%d+) (%S+) (%d+) (%S+)$')
if not state then return redis.error_reply('DAMAGED the message id has an unknown value') end
if digest ~= ARGV[1] then return {'conflict'} end
local left = redis.call('PTTL', key) - tonumber(window)
if left > 0 then return {state, token, since, tostring(left)} end
claim(since, token, taken + 1)
return {'taken', token, since}
