import { createHash } from 'node:crypto'

/**
 * `Budgets.take` in Redis, for one key: the same numbers, by the clock of the Redis server. KEYS: the budget. ARGV: the units that the
 * request adds, those of a used-up budget, those that it loses in a microsecond. Returns 1 and the new level, or 0 and the level that is
 * too high.
 *
 * The value is the level and the time of it, in microseconds. It expires when the level is 0. What is rejected writes nothing, unless
 * the clock has been set back. Numbers stay below 2**53, so those of Lua are exact; as text they need a format.
 */
export const budgetScript = `
local added, full, drain = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local level, passed = 0, 0
local stored = redis.call('GET', KEYS[1])
if stored then
  local last, time = string.match(stored, '^(%d+) (%d+)$')
  passed = now - time
  level = tonumber(last)
  if passed > 0 then level = math.max(0, level - passed * drain) end
end
local granted = level <= full - added
if granted then level = level + added end
if level > 0 and (granted and added > 0 or passed < 0) then
  local milliseconds = math.ceil(level / drain / 1000) + 1
  redis.call('SET', KEYS[1], string.format('%.0f %.0f', level, now), 'PX', string.format('%.0f', milliseconds))
end
return { granted and 1 or 0, level }
`

/** By which EVALSHA names the script. */
export const budgetScriptSha = createHash('sha1').update(budgetScript).digest('hex')
