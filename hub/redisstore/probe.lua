-- Writes as commits do, with the same commands. KEYS[1]: a hash of its own.
-- ARGV: time to live in ms.
redis.call('HSET', KEYS[1], 'at', redis.call('TIME')[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
