package redis

import (
	"context"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/domain/limit"
)

// takeScript is [limit.Budget.Next] for one bucket after the other, by the
// clock of the server. What it finds that is none of ours counts as a full
// bucket, and a bucket is never emptier than empty. It begins its answer with
// the number of the question, so that nobody takes it for that to another one.
var takeScript = rueidis.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local out = {ARGV[1], -1, 0}
for i, key in ipairs(KEYS) do
	local each, per = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
	local full = redis.pcall('GET', key)
	full = type(full) == 'string' and tonumber(full) or now
	if not (full > now) then full = now end
	if full > now + per then full = now + per end
	local wait = full + each - per - now
	out[i + 3] = full - now
	if wait > 0 then
		out[2], out[3] = i - 1, wait
		return out
	end
	full = full + each
	redis.call('SET', key, string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
	out[i + 3] = full - now
end
return out`)

// Take implements [outbound.Buckets] in one trip. All budgets are exact.
func (c *Cache) Take(ctx context.Context, now time.Time, takes ...limit.Take) (refused int, wait time.Duration) {
	if len(takes) == 0 {
		return -1, 0
	}
	before := c.lefts(now, takes)
	a, err := c.take(ctx, takes)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.alone.Add(1)
		return c.known.Take(now, takes...)
	}
	refused, wait = a.refused, a.wait
	if refused < 0 && c.forgotten(takes, before, a) {
		refused, wait = c.known.Take(now, takes...)
	}
	for i, left := range a.left {
		c.known.Learn(now, takes[i].Key, left)
	}
	return refused, wait
}

// lefts is how long each bucket takes to be full, as this replica knows it.
func (c *Cache) lefts(now time.Time, takes []limit.Take) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	lefts := make([]time.Duration, len(takes))
	for i, t := range takes {
		lefts[i] = c.known.Left(now, t.Key)
	}
	return lefts
}

// forgotten reports whether the server knows less of a bucket than it did
// before: it was flushed, or started anew. Then this replica counts for itself
// besides, so that nobody gains by that. What passes on the way is no loss.
func (c *Cache) forgotten(takes []limit.Take, before []time.Duration, a taken) bool {
	for i, t := range takes {
		each := t.Budget.Interval()
		if a.left[i]+max(each/2, c.cfg.Patience) < before[i]+each {
			return true
		}
	}
	return false
}

// taken is the answer of the script.
type taken struct {
	refused int
	wait    time.Duration
	left    []time.Duration // until each bucket that was looked at is full
}

func (c *Cache) take(ctx context.Context, takes []limit.Take) (a taken, err error) {
	question := strconv.FormatUint(c.asked.Add(1), 10)
	keys, args := make([]string, len(takes)), make([]string, 1, 1+2*len(takes))
	args[0] = question
	for i, t := range takes {
		keys[i] = prefix + "bucket:" + base64.RawURLEncoding.EncodeToString(c.cfg.Index(t.Key))
		args = append(args, strconv.FormatInt(t.Budget.Interval().Microseconds(), 10), strconv.FormatInt(t.Budget.Per.Microseconds(), 10))
	}
	err = c.call(ctx, c.live.Load(), c.cfg.Patience, func(ctx context.Context, s rueidis.Client) error {
		answer, err := takeScript.Exec(ctx, s, keys, args).ToArray()
		if err != nil {
			return err
		}
		if a, err = readTaken(answer, question, takes); err != nil {
			return err
		}
		return nil
	})
	return a, err
}

func readTaken(answer []rueidis.RedisMessage, question string, takes []limit.Take) (a taken, err error) {
	if len(answer) < 3 || len(answer) > 3+len(takes) {
		return a, errStrange
	}
	if q, err := answer[0].ToString(); err != nil || q != question {
		return a, errStrange
	}
	numbers := make([]int64, 0, len(answer)-1)
	for _, m := range answer[1:] {
		n, err := m.ToInt64()
		if err != nil {
			return a, errStrange
		}
		numbers = append(numbers, n)
	}
	a = taken{refused: int(numbers[0]), wait: micros(numbers[1])}
	for _, n := range numbers[2:] {
		a.left = append(a.left, micros(n))
	}
	looked := len(takes)
	if a.refused >= 0 {
		looked = a.refused + 1
	}
	if a.refused < -1 || (a.refused >= 0) != (a.wait > 0) || len(a.left) != looked {
		return a, errStrange
	}
	return a, nil
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
