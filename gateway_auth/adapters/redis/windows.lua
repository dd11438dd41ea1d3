--[[
The arithmetic of limits: three kinds of windows, as core/windows.py has them; then how a call reads and writes those
it names. It knows no request.

Not a script by itself: limits.lua or leases.lua follows it in the same text. A kind is a table of functions:
  load(value, limit, now)    the window of a stored value (false: none), with what has ended taken out
  fits(window, limit, cost)  whether so much more may be taken
  take(window, limit, now)   takes the limit's cost
  look(window, limit, now)   what is left, and the seconds until something comes back
  wait(window, limit, now)   the seconds until the limit's cost fits, where it does not
  save(window, limit, now)   the value to store, and the seconds it matters

Stored values (big-endian; moments in microseconds since 1970, f64; amounts in units of cost, u32):
  sliding   used, moment and cost of the latest mark; then moment and cost of each older mark, oldest first
  bucket    moment of writing; whole units owed then; what is owed beside them, f64, in parts of a unit: as many as
            the period has microseconds, so that `count` parts come back in each
  fixed     moment the window ends; used

What is not of that form counts as absent. Numbers are doubles: every whole number here stays below 2^53, or goes
through `multiply_divide`.
--]]

local SECOND = 1000000
local DAY = 86400 * SECOND
local MAX_MARKS = 64

local fmod, floor, max, min, sub = math.fmod, math.floor, math.max, math.min, string.sub
local pack, unpack_from = struct.pack, struct.unpack

-- Whole quotients. a / b alone is rounded, which can reach the next whole number; fmod is exact.
local function down(a, b)
  return (a - fmod(a, b)) / b
end

local function up(a, b)
  local rest = fmod(a, b)
  return (a - rest) / b + (rest > 0 and 1 or 0)
end

-- Quotient and remainder of a * b / c, for b < 2^35 and c < 2^45, however large the product: seven bits of b at a time.
local function multiply_divide(a, b, c)
  if a * b < 2 ^ 53 then
    return down(a * b, c), fmod(a * b, c)
  end
  local part = fmod(a, c)
  local quotient, rest = 0, 0
  for shift = 28, 0, -7 do
    local sum = rest * 128 + part * (down(b, 2 ^ shift) % 128)
    quotient, rest = quotient * 128 + down(sum, c), fmod(sum, c)
  end
  return down(a, c) * b + quotient, rest
end

-- Sliding windows -----------------------------------------------------------------------------------------------------

local sliding = {}

-- A clock that was set back makes no mark wait longer than one period from now. Such a window is written even if
-- nothing is taken, or the marks would move along with every refusal until the clock has caught up.
local function bring_forward(window, now)
  local moved = {}
  for at = 1, #window.marks, 12 do
    local moment, cost = unpack_from('>dI4', window.marks, at)
    moved[#moved + 1] = pack('>dI4', min(moment, now), cost)
  end
  window.marks, window.last = table.concat(moved), now
end

local function oldest(window)
  return window.marks == '' and window.last or (unpack_from('>d', window.marks))
end

function sliding.load(value, limit, now)
  local window = { used = 0, last = 0, last_cost = 0, marks = '' }
  if not value or #value < 16 or #value % 12 ~= 4 then
    return window
  end
  window.used, window.last, window.last_cost = unpack_from('>I4dI4', value)
  window.marks = sub(value, 17)
  if window.last > now then
    bring_forward(window, now)
    window.written_by = limit
  end
  local horizon, at = now - limit.period, 1
  while at <= #window.marks do
    local moment, cost = unpack_from('>dI4', window.marks, at)
    if moment > horizon then
      break
    end
    window.used, at = window.used - cost, at + 12
  end
  window.marks = sub(window.marks, at)
  if window.marks == '' and window.last <= horizon then
    window.used, window.last_cost = 0, 0
  end
  return window
end

function sliding.fits(window, limit, cost)
  return window.used + cost <= limit.count
end

function sliding.take(window, limit, now)
  local grain = limit.period / MAX_MARKS
  local is_shared = limit.count > MAX_MARKS and window.last_cost > 0
  if is_shared and down(now, grain) == down(window.last, grain) then
    window.last_cost = window.last_cost + limit.cost
  else
    if window.last_cost > 0 then
      window.marks = window.marks .. pack('>dI4', window.last, window.last_cost)
    end
    window.last_cost = limit.cost
  end
  window.last, window.used = now, window.used + limit.cost
end

function sliding.look(window, limit, now)
  local reset = window.used > 0 and oldest(window) + limit.period - now or 0
  return max(0, limit.count - window.used), up(reset, SECOND)
end

function sliding.wait(window, limit, now)
  local missing = window.used + limit.cost - limit.count
  for at = 1, #window.marks, 12 do
    local moment, cost = unpack_from('>dI4', window.marks, at)
    missing = missing - cost
    if missing <= 0 then
      return up(moment + limit.period - now, SECOND)
    end
  end
  if missing <= window.last_cost then
    return up(window.last + limit.period - now, SECOND)
  end
  return limit.seconds
end

function sliding.save(window, limit)
  return pack('>I4dI4', window.used, window.last, window.last_cost) .. window.marks, limit.seconds
end

-- Token buckets -------------------------------------------------------------------------------------------------------

local bucket = {}

function bucket.load(value, limit, now)
  local window = { units = 0, parts = 0 }
  if not value or #value ~= 20 then
    return window
  end
  local written, units, parts = unpack_from('>dI4d', value)
  -- A clock that was set back has refilled nothing, and refills from where it is now.
  if written > now then
    window.written_by = limit
  end
  local back_units, back_parts = multiply_divide(max(0, now - written), limit.count, limit.period)
  units, parts = units - back_units, parts - back_parts
  if parts < 0 then
    units, parts = units - 1, parts + limit.period
  end
  if units >= 0 then
    window.units, window.parts = units, parts
  end
  return window
end

function bucket.fits(window, limit, cost)
  local units = window.units + cost
  return units < limit.burst or (units == limit.burst and window.parts == 0)
end

function bucket.take(window, limit)
  window.units = window.units + limit.cost
end

function bucket.look(window, limit)
  if window.units == 0 and window.parts == 0 then
    return limit.burst, 0
  end
  local left = limit.burst - window.units - (window.parts > 0 and 1 or 0)
  local parts = window.parts > 0 and window.parts or limit.period
  return max(0, left), up(parts, limit.count * SECOND)
end

-- Seconds until so many units and parts have come back.
local function seconds_for(units, parts, limit)
  local seconds, rest = multiply_divide(limit.seconds, units, limit.count)
  return seconds + up(rest * SECOND + parts, limit.count * SECOND)
end

function bucket.wait(window, limit)
  return seconds_for(window.units + limit.cost - limit.burst, window.parts, limit)
end

function bucket.save(window, limit, now)
  return pack('>dI4d', now, window.units, window.parts), seconds_for(window.units, window.parts, limit)
end

-- Fixed windows -------------------------------------------------------------------------------------------------------

-- The first day after the month that a day (since 1970) falls in. Years begin in March here, so that the leap day is
-- their last; months then follow a pattern of five.
local function month_end(day)
  local of_era = (day + 719468) % 146097
  local year =
    floor((of_era - floor(of_era / 1460) + floor(of_era / 36524) - floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + floor(year / 4) - floor(year / 100))
  local month = floor((5 * of_year + 2) / 153) + 1
  if month < 12 then
    return day - of_year + floor((153 * month + 2) / 5)
  end
  year = year + 1
  local next_year = 365 * year + floor(year / 4) - floor(year / 100) + floor(year / 400)
  return day - of_era + next_year
end

local fixed = {}

local function end_of(limit, now)
  return limit.is_month and month_end(down(now, DAY)) * DAY or now - fmod(now, limit.period) + limit.period
end

function fixed.load(value, limit, now)
  local ends, used = 0, 0
  if value and #value == 12 then
    ends, used = unpack_from('>dI4', value)
  end
  -- A clock set back a little keeps the window, or it would be given twice; one set back far begins anew.
  if now >= ends or now < ends - 2 * limit.period then
    ends, used = end_of(limit, now), 0
  end
  return { ends = ends, used = used }
end

fixed.fits = sliding.fits

function fixed.take(window, limit)
  window.used = window.used + limit.cost
end

function fixed.wait(window, limit, now)
  return up(min(window.ends - now, limit.period), SECOND)
end

function fixed.look(window, limit, now)
  return max(0, limit.count - window.used), fixed.wait(window, limit, now)
end

function fixed.save(window, _, now)
  return pack('>dI4', window.ends, window.used), up(window.ends - now, SECOND)
end

-- One call -----------------------------------------------------------------------------------------------------------

local GRACE = 10 -- seconds a value outlives its use, so that a clock set forward and back loses nothing
local LONGEST_LIFE = 100 * 366 * 86400

local call = redis.call
local KINDS = { sliding, bucket, fixed, fixed }
local CALENDAR_MONTH = 4

local now = tonumber(ARGV[1])
if not now then
  local time = call('TIME')
  now = time[1] * SECOND + time[2]
end
local values = call('MGET', unpack(KEYS))
local windows = {}

local function window_at(position, limit)
  local window = windows[position]
  if not window then
    window = limit.kind.load(values[position], limit, now)
    windows[position] = window
  end
  return window
end

-- Every window that has a `written_by`, the limit it is written as; each value with an expiry.
local function save_windows()
  for position, window in pairs(windows) do
    local limit = window.written_by
    if limit then
      local value, life = limit.kind.save(window, limit, now)
      call('SET', KEYS[position], value, 'EX', min(life, LONGEST_LIFE) + GRACE)
    end
  end
end
