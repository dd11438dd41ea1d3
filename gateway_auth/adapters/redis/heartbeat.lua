--[[
Says that one worker lives, by the server's clock, and counts those that do.

KEYS[1]   a sorted set: each worker's id, scored by when it was last heard, in milliseconds since 1970
ARGV[1]   the worker's id
ARGV[2]   milliseconds after which one that is not heard is gone
reply     { how many live, how many of them come before this one in order of id }
--]]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - life)
-- A clock that was set back: what was heard then would live until it has caught up.
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + life, '+inf')
redis.call('PEXPIRE', KEYS[1], life)
local living = redis.call('ZRANGE', KEYS[1], 0, -1)
local before = 0
for _, id in ipairs(living) do
  if id < ARGV[1] then
    before = before + 1
  end
end
return { #living, before }
