package redis_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/adapters/redis"
	"gatehouse/adapters/redis/redistest"
	"gatehouse/domain/limit"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

var (
	now   = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
	login = limit.Take{Key: "login 192.0.2.7", Budget: limit.Budget{Count: 10, Per: 10 * time.Hour}}
	mark  = outbound.Mark{ExpiresAt: now.Add(time.Hour), Until: now.Add(2 * time.Hour), TokenGen: 7}
)

// given counts how many of n requests are let through.
func given(t *testing.T, c *redis.Cache, n int) (given int) {
	t.Helper()
	for range n {
		if refused, _ := c.Take(t.Context(), now, login); refused < 0 {
			given++
		}
	}
	return given
}

// learn makes a cache read and remember u1's s1, and returns whether it recalls
// it then.
func learn(t *testing.T, c *redis.Cache) bool {
	t.Helper()
	_, ticket, known := c.Recall(t.Context(), "u1", "s1", now)
	if !known {
		c.Remember(t.Context(), ticket, mark)
		_, _, known = c.Recall(t.Context(), "u1", "s1", now)
	}
	return known
}

func revoke(t *testing.T, c *redis.Cache) error {
	t.Helper()
	what := outbound.Revocation{Principal: "u1", Session: "s1"}
	c.Announce(t.Context(), what)
	return c.Propagate(t.Context(), what)
}

// Q5, F26: nothing that happens to the server makes a limit unlimited, a
// revocation a success it is not, or lets somebody in.
func TestAServerThatIsDownIsDoneWithout(t *testing.T) {
	for name, start := range map[string]func(*testing.T) (*redistest.Server, *redis.Cache){
		"down at the start": func(t *testing.T) (*redistest.Server, *redis.Cache) {
			s := redistest.New(t)
			return s, open(t, s.URL, time.Second)
		},
		"killed later": func(t *testing.T) (*redistest.Server, *redis.Cache) {
			s := redistest.Start(t)
			c := connected(t, s.URL)
			if !learn(t, c) {
				t.Fatal("a server that is up remembers nothing")
			}
			s.Kill()
			return s, c
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := start(t)
			if learn(t, c) {
				t.Error("something is recalled")
			}
			if err := revoke(t, c); err == nil {
				t.Error("a revocation nobody heard of was propagated")
			}
			if c.Ping(t.Context()) == nil {
				t.Error("Ping = nil")
			}
			if n := given(t, c, 50); n != 10 {
				t.Errorf("%d requests were let through, want 10", n)
			}
			s.Start()
			eventually(t, "connected again", up(c))
			if err := revoke(t, c); err != nil {
				t.Errorf("Propagate = %v", err)
			}
		})
	}
}

// A server that hangs holds up the requests that are with it, and no others.
func TestAServerThatHangsIsNotAskedAgainAndAgain(t *testing.T) {
	s := redistest.Start(t)
	c := open(t, s.URL, 20*time.Millisecond)
	eventually(t, "connected", up(c))
	s.Pause()
	if n := given(t, c, 50); n < 9 || n > 10 { // what it was asked first it may have counted
		t.Errorf("%d requests were let through, want 10", n)
	}
	if stats := c.Stats(); stats.Up || stats.Failures > 2 || stats.Alone < 40 {
		t.Errorf("after 50 requests: %+v, want one failure, and then none asked", stats)
	}
	if learn(t, c) {
		t.Error("something is recalled")
	}
	if err := revoke(t, c); err == nil {
		t.Error("a revocation nobody heard of was propagated")
	}
	s.Resume()
	eventually(t, "connected again", up(c))
}

// F26: what a flush took was a memory of what is in the database.
func TestAFlushRevivesNothing(t *testing.T) {
	s := redistest.Start(t)
	a, b := connected(t, s.URL), connected(t, s.URL)
	if !learn(t, a) {
		t.Fatal("nothing is remembered")
	}
	_, ticket, _ := b.Recall(t.Context(), "u1", "s2", now)
	if err := a.Propagate(t.Context(), outbound.Revocation{Principal: "u1"}); err != nil {
		t.Fatal(err)
	}
	s.Do("FLUSHALL")
	s.Do("SCRIPT", "FLUSH")
	b.Remember(t.Context(), ticket, mark)
	for _, c := range []*redis.Cache{a, b} {
		if _, _, known := c.Recall(t.Context(), "u1", "s2", now); known {
			t.Error("what was read before a revocation is recalled after a flush")
		}
	}
}

// F26: a server that forgot what was taken does not give it again.
func TestAFlushFillsNoBucketThatAReplicaKnows(t *testing.T) {
	s := redistest.Start(t)
	c, other := connected(t, s.URL), connected(t, s.URL)
	if n := given(t, c, 4) + given(t, other, 4); n != 8 {
		t.Fatalf("%d of 8 were let through", n)
	}
	s.Do("FLUSHALL")
	if n := given(t, other, 20); n != 2 {
		t.Errorf("%d were let through after a flush, want the 2 that were left", n)
	}
	s.Do("FLUSHALL")
	if n := given(t, other, 20); n != 0 {
		t.Errorf("%d were let through after another one", n)
	}
}

// F26, F93: a server that starts from a snapshot has what was there before a
// revocation, and what was told it since is lost.
func TestASnapshotRevivesNothing(t *testing.T) {
	s := redistest.Start(t)
	c := connected(t, s.URL)
	if !learn(t, c) {
		t.Fatal("nothing is remembered")
	}
	kept := keys(s, "*mark*")
	for _, key := range kept {
		s.Do("PERSIST", key) // however long it takes to start
	}
	s.Do("SAVE")
	if err := revoke(t, c); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Start()
	if back := keys(s, "*mark*"); len(kept) != 2 || len(back) != 2 {
		t.Fatalf("the snapshot had %q, and %q is back", kept, back)
	}
	other := connected(t, s.URL)
	eventually(t, "connected again", func() bool { return c.Ping(t.Context()) == nil })
	for _, c := range []*redis.Cache{c, other} {
		if _, _, known := c.Recall(t.Context(), "u1", "s1", now); known {
			t.Error("what was revoked after the snapshot is recalled")
		}
	}
	s.Do("FLUSHALL") // of tickets
	if !learn(t, c) {
		t.Error("nothing is remembered any more")
	}
}

// F26: a server that is a replica now learns of revocations late, or never.
func TestAServerThatBecameAReplicaIsNotBelieved(t *testing.T) {
	s := redistest.Start(t)
	c := connected(t, s.URL)
	if !learn(t, c) {
		t.Fatal("nothing is remembered")
	}
	s.Do("REPLICAOF", "127.0.0.1", "1")
	if _, _, known := c.Recall(t.Context(), "u1", "s1", now); known {
		t.Error("a replica is believed")
	}
}

// Without the name of its life nobody knows whether a mark is from before a
// revocation: there are none, buckets work, and no revocation seems complete.
func TestAServerThatDoesNotTellItsLifeRemembersNothing(t *testing.T) {
	s := redistest.Start(t)
	s.Do("ACL", "SETUSER", "default", "-info")
	c := connected(t, s.URL)
	if learn(t, c) || len(keys(s, "*mark*")) != 0 {
		t.Errorf("something is remembered: %q", keys(s, "*"))
	}
	if err := revoke(t, c); err == nil {
		t.Error("a revocation nobody can be told of was propagated")
	}
	if n := given(t, c, 20); n != 10 || c.Stats().Alone != 0 {
		t.Errorf("%d requests were let through, want 10; %+v", n, c.Stats())
	}
}

// plant replaces whatever is stored under keys like these.
func plant(s *redistest.Server, like string, command ...string) {
	for _, key := range keys(s, like) {
		s.Do("DEL", key)
		s.Do(append([]string{command[0], key}, command[1:]...)...)
	}
}

func keys(s *redistest.Server, like string) (out []string) {
	for line := range strings.Lines(s.Do("KEYS", like)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "gatehouse:") {
			out = append(out, line)
		}
	}
	return out
}

// sealFor is how a mark is sealed by who has the key, so that what is wrong
// about one is the mark alone.
func sealFor(key, value string) string {
	return value + " " + base64.RawURLEncoding.EncodeToString(index(key+" "+value))
}

func TestMarksThatAreNoneAreMisses(t *testing.T) {
	s := redistest.Start(t)
	c := connected(t, s.URL)
	if !learn(t, c) || len(keys(s, "*mark*")) != 2 {
		t.Fatalf("nothing is remembered, or elsewhere: %q", keys(s, "*"))
	}
	sessionKey := keys(s, "*mark:*:session:s1")[0]
	sealed := strings.Split(s.Do("GET", sessionKey), "\r\n")[1]
	good, seal := sealed[:strings.LastIndex(sealed, " ")], sealed[strings.LastIndex(sealed, " "):]
	at := strconv.FormatInt(now.UnixMicro(), 10)
	far := strconv.FormatInt(now.Add(9e5*time.Hour).UnixMicro(), 10)
	for _, tc := range []struct{ place, command, value string }{
		{"session", "RPUSH", good},
		{"principal", "SADD", "principal/1 u1 " + at + " 7"},
		{"session", "SET", ""},
		{"session", "SET", "-"},
		{"session", "SET", "OK"},
		{"session", "SET", good + " "},
		{"session", "SET", " " + good},
		{"session", "SET", good + " 1"},
		{"session", "SET", strings.Replace(good, "s1", "s2", 1)},
		{"session", "SET", strings.Replace(good, "u1", "u2", 1)},
		{"session", "SET", strings.Replace(good, at, far, 1)},
		{"session", "SET", strings.Replace(good, " "+at, " +"+at, 1)},
		{"session", "SET", "principal/1 u1 " + at + " 7"},
		{"principal", "SET", good},
		{"principal", "SET", "principal/1 u1 " + at + " 99999999999999999999"},
		{"principal", "SET", "principal/1 u1 " + at + " 7.0"},
		{"principal", "SET", "principal/1 u1 " + at},
		{"principal", "SET", "principal/2 u1 " + at + " 7"},
	} {
		s.Do("FLUSHALL")
		if !learn(t, c) {
			t.Fatal("nothing is remembered")
		}
		plant(s, "*mark:*:"+tc.place+":*", tc.command, sealFor(keys(s, "*mark:*:"+tc.place+":*")[0], tc.value))
		if m, _, known := c.Recall(t.Context(), "u1", "s1", now); known {
			t.Errorf("%s %s %q: %+v is recalled", tc.command, tc.place, tc.value, m)
		}
	}
	for _, value := range []string{
		"", good, good + " ", strings.TrimSpace(seal), strings.Replace(good, "s1", "s2", 1) + seal, sealed + " ", sealed[:len(sealed)-1],
		sealFor(strings.Replace(sessionKey, "s1", "s2", 1), good), // of another place
	} {
		s.Do("FLUSHALL")
		if !learn(t, c) {
			t.Fatal("nothing is remembered")
		}
		plant(s, "*mark:*:session:*", "SET", value)
		if m, _, known := c.Recall(t.Context(), "u1", "s1", now); known {
			t.Errorf("%q: %+v is recalled", value, m)
		}
		plant(s, "*mark:*:session:*", "SET", sealed)
		if _, _, known := c.Recall(t.Context(), "u1", "s1", now); !known {
			t.Error("what was written is not recalled")
		}
	}
	if !c.Stats().Up {
		t.Error("a planted value cost the connection")
	}
}

func TestBucketsThatAreNoneAreReplaced(t *testing.T) {
	s := redistest.Start(t)
	other := connected(t, s.URL)
	for _, tc := range []struct {
		command, value string
		want           int
	}{
		{"RPUSH", "x", 10},
		{"SET", "", 10},
		{"SET", "rubbish", 10},
		{"SET", "nan", 10},
		{"SET", "-1e300", 10},
		{"SET", "5", 10},
		{"SET", "inf", 0},
		{"SET", "1e300", 0},
	} {
		s.Do("FLUSHALL")
		c := connected(t, s.URL) // who has not heard of the bucket
		given(t, other, 1)
		plant(s, "*bucket*", tc.command, tc.value)
		if n := given(t, c, 20); n != tc.want {
			t.Errorf("%s %q: %d requests were let through, want %d", tc.command, tc.value, n, tc.want)
		}
		if refused, wait := c.Take(t.Context(), now, login); refused != 0 || wait <= 0 || wait > time.Hour {
			t.Errorf("%s %q: refused %d for %v, want at most an hour", tc.command, tc.value, refused, wait)
		}
	}
}

// What is stored ends by itself, and names nobody by their address.
func TestEverythingThatIsStoredEnds(t *testing.T) {
	s := redistest.Start(t)
	c := connected(t, s.URL)
	ends := func(what string, least, most time.Duration) {
		t.Helper()
		all := keys(s, "*")
		if len(all) == 0 {
			t.Errorf("%s: nothing is stored", what)
		}
		for _, key := range all {
			ms, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(s.Do("PTTL", key), ":")))
			if left := time.Duration(ms) * time.Millisecond; err != nil || left < least || left > most {
				t.Errorf("%s: %s ends in %v, %v, want from %v to %v", what, key, left, err, least, most)
			}
			if strings.Contains(key, "192.0.2.7") {
				t.Errorf("%s: an address is stored: %s", what, key)
			}
		}
		s.Do("FLUSHALL")
	}
	given(t, c, 1)
	ends("a bucket", 59*time.Minute, time.Hour)
	_, _, _ = c.Recall(t.Context(), "u1", "s1", now)
	ends("a ticket", time.Millisecond, 2*time.Second)
	_, ticket, _ := c.Recall(t.Context(), "u1", "s1", now)
	c.Remember(t.Context(), ticket, mark)
	ends("a mark", time.Millisecond, 5*time.Second)
	for _, what := range []outbound.Revocation{{Principal: "u1"}, {Principal: "u1", Session: "s1"}} {
		if err := c.Propagate(t.Context(), what); err != nil {
			t.Fatal(err)
		}
		ends("a tombstone", 7*time.Second+time.Millisecond, 10*time.Second) // longer than a ticket and a mark
	}
}

// impostor is a server that greets, and then answers everything alike.
func impostor(t *testing.T, greeting, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var talks sync.WaitGroup
	talks.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talks.Go(func() {
				defer c.Close()
				talk(c, greeting, answer)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		talks.Wait()
	})
	return "redis://:canary@" + l.Addr().String()
}

func talk(c net.Conn, greeting, answer string) {
	r := bufio.NewReader(c)
	for {
		var n int
		if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
			return
		}
		words := make([]string, n)
		for i := range words {
			var length int
			if _, err := fmt.Fscanf(r, "$%d\r\n", &length); err != nil {
				return
			}
			word := make([]byte, length+2)
			if _, err := io.ReadFull(r, word); err != nil {
				return
			}
			words[i] = string(word[:length])
		}
		say := answer
		switch words[0] {
		case "HELLO":
			say = greeting
		case "CLIENT":
			say = "+OK\r\n"
		case "INFO":
			say = "$10\r\nrun_id:one\r\n"
		case "PING":
			say = "+PONG\r\n"
		}
		if _, err := io.WriteString(c, say); err != nil {
			return
		}
	}
}

const hello = "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"

// F26, CVE-2025-29923: an answer to another question is no answer, and whoever
// gave it is not asked again on that connection.
func TestAnswersToOtherQuestionsAreMisses(t *testing.T) {
	session := sealFor("gatehouse:mark:one:session:s1",
		fmt.Sprintf("session/1 s2 u1 %d %d %d", now.UnixMicro(), mark.ExpiresAt.UnixMicro(), mark.Until.UnixMicro()))
	principal := sealFor("gatehouse:mark:one:principal:u1", fmt.Sprintf("principal/1 u1 %d 7", now.UnixMicro()))
	for name, answer := range map[string]string{
		"a status":                  "+OK\r\n",
		"a number":                  ":1\r\n",
		"a text":                    "$2\r\n-1\r\n",
		"nothing":                   "_\r\n",
		"an empty list":             "*0\r\n",
		"a list of one":             "*1\r\n:1\r\n",
		"a list of statuses":        "*2\r\n+OK\r\n+OK\r\n",
		"marks of another session":  fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(session), session, len(principal), principal),
		"buckets of somebody else":  "*4\r\n$1\r\n0\r\n:-1\r\n:0\r\n:1\r\n",
		"a list that goes on":       "*9\r\n$1\r\n1\r\n:-1\r\n:0\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n",
		"a refusal":                 "-ERR canary\r\n",
		"a refusal of a new master": "-READONLY canary\r\n",
		"rubbish":                   "rubbish\r\n",
		"a map":                     hello,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connected(t, impostor(t, hello, answer))
			if learn(t, c) {
				t.Error("something is recalled")
			}
			eventually(t, "connected again", up(c))
			if n := given(t, c, 30); n != 10 {
				t.Errorf("%d requests were let through, want 10", n)
			}
		})
	}
}

// A bucket's answer that fits no question about so many buckets.
func TestAnswersThatContradictThemselvesAreNone(t *testing.T) {
	for _, numbers := range []string{":0 :0 :1", ":-1 :5 :1", ":1 :5 :1", ":-2 :0 :1", ":-1 :0"} {
		parts := strings.Fields(numbers)
		var answers strings.Builder // one for each of the first questions
		fmt.Fprintf(&answers, "*%d\r\n$1\r\n1\r\n%s\r\n", 1+len(parts), strings.Join(parts, "\r\n"))
		c := connected(t, impostor(t, hello, answers.String()))
		if n := given(t, c, 30); n != 10 {
			t.Errorf("%s: %d requests were let through, want 10", numbers, n)
		}
		if c.Stats().Alone != 30 {
			t.Errorf("%s: the answer was believed", numbers)
		}
	}
}

// Servers repeat what they do not understand, the password included.
func TestThePasswordIsNotLogged(t *testing.T) {
	for _, greeting := range []string{
		"-ERR wrong: 'HELLO' '3' 'AUTH' 'default' 'canary'\r\n", "-canary\r\n", "-WRONGPASS canary\r\n", "$6\r\ncanary\r\n",
	} {
		var logged bytes.Buffer
		c, err := redis.Open(redis.Config{
			URL: secret.New(impostor(t, greeting, greeting)), Index: index, Now: time.Now, Log: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		err = c.Propagate(t.Context(), outbound.Revocation{Principal: "u1"})
		c.Close()
		if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(logged.String(), "canary") {
			t.Errorf("greeted with %q: %v\n%s", greeting, err, &logged)
		}
		if logged.Len() == 0 {
			t.Errorf("greeted with %q: nothing is logged", greeting)
		}
	}
}

// Whoever has nothing but a change to make, as a command of an operator has,
// connects for it.
func TestARevocationConnectsByItself(t *testing.T) {
	s := redistest.Start(t)
	server := connected(t, s.URL)
	if !learn(t, server) {
		t.Fatal("nothing is remembered")
	}
	c, err := redis.Open(redis.Config{URL: secret.New(s.URL), Index: index, Now: time.Now, Log: slog.New(slog.DiscardHandler), Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := revoke(t, c); err != nil {
		t.Errorf("Propagate = %v", err)
	}
	if _, _, known := server.Recall(t.Context(), "u1", "s1", now); known {
		t.Error("another process still recalls what was revoked")
	}
}

func TestACallerWhoHangsUpCostsNoConnection(t *testing.T) {
	s := redistest.Start(t)
	c := connected(t, s.URL)
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	c.Take(ctx, now, login)
	c.Recall(ctx, "u1", "s1", now)
	if stats := c.Stats(); !stats.Up || stats.Failures != 0 || stats.Alone != 0 {
		t.Errorf("%+v, want it up and without a failure", stats)
	}
}
