-- Divides a quota among the instances that want a part of it. KEYS[1]: a hash with, for each
-- instance, the part that it wants, its share, and when that lapses in Unix milliseconds.
-- ARGV: the instance, the part that it wants (0: no share any more), its lease in ms.
-- Returns the share.
--
-- Shares are max-min fair: each has what it wants, but not more than an equal part of what
-- those who want less have left. What nobody wants is spread evenly. A share that exists
-- grows only into what no other share holds, so that the shares exceed the whole only while
-- one is new.
local me, want, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if want <= 0 then
	redis.call('HDEL', KEYS[1], me)
	return '0'
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local wants, free, renewed = {want}, 1, false
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
	local other, held, lapses = string.match(stored[i + 1], '^(%S+) (%S+) (%S+)$')
	if not lapses or tonumber(lapses) <= now then
		redis.call('HDEL', KEYS[1], stored[i])
	elseif stored[i] == me then
		renewed = true
	else
		table.insert(wants, tonumber(other))
		free = free - tonumber(held)
	end
end

table.sort(wants)
local left, mine = 1, 0
for i = 1, #wants do
	local part = math.min(wants[i], left / (#wants - i + 1))
	left = left - part
	if wants[i] <= want then
		mine = part
	end
end
local share = math.min(mine + math.max(left, 0) / #wants, 1)
if renewed then
	share = math.max(math.min(share, free), 0)
end
redis.call('HSET', KEYS[1], me, string.format('%.6f %.6f %d', want, share, now + lease))
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), lease))
return string.format('%.6f', share)
