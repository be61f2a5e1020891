"""The throttle for several processes, which counts in Redis.

Each call is one script, which Redis runs atomically: concurrent attempts never read the same count.
Keys expire when their counts would have decayed. Addresses are stored as keyed hashes, so that
Redis can't reveal them, not even to someone who tries addresses. All keys share a hash tag, so that
a cluster keeps them on one node.

While Redis is unavailable, attempts must still be limited and sign-ins must still work: the process
then counts in memory, and tries Redis again after a few seconds. The start and the end of an outage
are each logged once.
"""

import hashlib
import hmac
import math
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from auth.throttle import Key, Throttle
from models.clock import Clock
from models.errors import Throttled

log = structlog.stdlib.get_logger()

TIMEOUT = 0.25  # seconds to wait for Redis, which usually responds in less than a millisecond
RETRY_AFTER = 5.0  # seconds before Redis is tried again

# KEYS are the keys to count under. ARGV holds the command, the time, the number of attempts, and
# for each key its limit:
# free attempts, decay, maximum
# wait, whether it blocks, weight under attack, maximum level. Times are in seconds. A key stores
# its level, the time of that
# level, and the time from which the next attempt is allowed; when the clock was set back, both are
# moved. ATTEMPT returns the longest wait ("0"
# when the attempt was
# counted) and the positions of the keys that have to wait.
_SCRIPT = """
local what, now = ARGV[1], tonumber(ARGV[2])
local levels, waits, longest, heated = {}, {}, 0, false
local function limit(i, n) return tonumber(ARGV[3 + (i - 1) * 6 + n]) end
local function wait(i, level)
  local over = math.ceil(level) - limit(i, 1)
  if over <= 0 or limit(i, 4) == 0 then return 0 end
  return math.min(2 ^ math.min(over - 1, 30), limit(i, 3))
end
local function put(i, level)
  level = math.min(level, limit(i, 6))
  local waits = wait(i, level)
  local free = string.format('%.6f', now + waits)
  redis.call('HSET', KEYS[i], 'level', string.format('%.9f', level), 'at', ARGV[2], 'free', free)
  redis.call('PEXPIRE', KEYS[i], math.ceil((level * limit(i, 2) + waits) * 1000) + 1000)
end
for i, key in ipairs(KEYS) do
  local found = redis.call('HMGET', key, 'level', 'at', 'free')
  local at, free = found[1] and tonumber(found[2]), found[1] and tonumber(found[3])
  if at and now < at then
    free, at = free - (at - now), now
    redis.call('HSET', key, 'at', ARGV[2], 'free', string.format('%.6f', free))
  end
  levels[i] = at and math.max(0, tonumber(found[1]) - (now - at) / limit(i, 2)) or 0
  local ahead = free and free - now or 0
  if ahead > 0 then waits[#waits + 1] = i end
  longest = math.max(longest, ahead)
  if limit(i, 4) == 0 and levels[i] >= limit(i, 1) then heated = true end
end
if what == 'TAKE_BACK' then
  for i, key in ipairs(KEYS) do
    if redis.call('EXISTS', key) == 1 then put(i, math.max(0, levels[i] - 1)) end
  end
elseif longest <= 0 then
  for i in ipairs(KEYS) do put(i, levels[i] + tonumber(ARGV[3]) * (heated and limit(i, 5) or 1)) end
end
return {string.format('%.6f', math.max(0, longest)), waits}
"""


class SharedThrottle(Throttle):
    """Counts in Redis at `url` (redis://, rediss://, unix://), or in memory while it is
    unavailable.

    `secret` is the key of the hashes.
    """

    def __init__(self, clock: Clock, url: str, secret: str) -> None:
        super().__init__(clock)
        self._redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            single_connection_client=False,
            retry=None,
        )
        self._script = self._redis.register_script(_SCRIPT)
        self._secret = hashlib.sha256(b"camcha throttle" + secret.encode()).digest()
        self._unavailable_until = 0.0

    async def attempt(self, *keys: Key, weight: int = 1) -> None:
        """Like Throttle.attempt, across all processes."""
        result = await self._run("ATTEMPT", keys, weight)
        if result is None:
            await super().attempt(*keys, weight=weight)
            return
        wait, positions = float(result[0]), [int(position) - 1 for position in result[1]]
        if wait > 0:
            log.warning(
                "attempt.throttled", limits=[keys[position].limit.name for position in positions]
            )
            raise Throttled(math.ceil(wait))

    async def clear(self, *keys: Key) -> None:
        """Like Throttle.clear."""
        await super().clear(*keys)
        if keys:
            await self._call_redis(lambda: self._redis.delete(*map(self._redis_key, keys)))

    async def undo_attempt(self, *keys: Key) -> None:
        """Like Throttle.undo_attempt."""
        if await self._run("TAKE_BACK", keys) is None:
            await super().undo_attempt(*keys)

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()

    async def _run(self, command: str, keys: tuple[Key, ...], weight: int = 1) -> Any:
        if not keys:
            return None
        limits: list[float] = []
        for key in keys:
            limit = key.limit
            limits += [
                limit.free_attempts,
                limit.decay.total_seconds(),
                limit.max_wait.total_seconds(),
                int(limit.blocks),
                limit.weight_under_attack,
                limit.max_level,
            ]
        now = f"{self._clock.now().timestamp():.6f}"
        return await self._call_redis(
            lambda: self._script(
                keys=list(map(self._redis_key, keys)), args=[command, now, weight, *limits]
            )
        )

    async def _call_redis(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """The response of Redis, None while it is unavailable."""
        if monotonic() < self._unavailable_until:
            return None
        try:
            response = await command()
        except (RedisError, OSError, TimeoutError) as error:
            if not self._unavailable_until:
                log.error("throttle.unavailable", error=type(error).__name__)
            self._unavailable_until = monotonic() + RETRY_AFTER
            return None
        if self._unavailable_until:
            self._unavailable_until = 0.0
            log.info("throttle.restored")
        return response

    def _redis_key(self, key: Key) -> str:
        subject = hmac.new(self._secret, key.subject.encode(), hashlib.sha256).hexdigest()
        return f"{{camcha:throttle}}:{subject}"


def expected_redis_url(url: str) -> str | None:
    """The expected form when the URL of a Redis server is invalid, else None."""
    try:
        Redis.from_url(url)
    except ValueError:
        return "redis://host:6379/0, rediss://user:password@host or unix:///path"
    return None
