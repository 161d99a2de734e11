package redis

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

// count returns how many messages begin in what is fine of a stream, cut into
// pieces.
func count(stream string, piece int) (messages int, fine string) {
	var f frames
	for rest := stream; rest != ""; {
		some := rest[:min(piece, len(rest))]
		n := f.feed([]byte(some), func(byte) bool { messages++; return true })
		fine += some[:n]
		if n < len(some) {
			break
		}
		rest = rest[len(some):]
	}
	return messages, fine
}

func TestMessagesAreCountedHoweverTheyArrive(t *testing.T) {
	for stream, want := range map[string]int{
		"+OK\r\n":                                             1,
		"-ERR no\r\n:7\r\n":                                   2,
		"$5\r\nab\r\nc\r\n+OK\r\n":                            2,
		"$0\r\n\r\n$-1\r\n*-1\r\n":                            3,
		"*0\r\n*2\r\n*1\r\n:1\r\n_\r\n+OK\r\n":                3,
		"%2\r\n+a\r\n:1\r\n+b\r\n*2\r\n:1\r\n:2\r\n#t\r\n":    2,
		"~1\r\n,1.5\r\n(9\r\n!3\r\nERR\r\n=5\r\ntxt:a\r\n":    4,
		"*2\r\n$4\r\nPING\r\n$1\r\nx\r\n*1\r\n$4\r\nQUIT\r\n": 2,
	} {
		for piece := 1; piece <= len(stream); piece++ {
			if got, fine := count(stream, piece); got != want || fine != stream {
				t.Errorf("%q in pieces of %d: %d messages, and %q is fine", stream, piece, got, fine)
			}
		}
	}
}

func TestWhatNoServerSaysEndsTheStream(t *testing.T) {
	for _, strange := range []string{
		"HTTP/1.1 200 OK\r\n", "\r\n", "*x\r\n", "$-2\r\n", "$9999999999\r\n", "*1000000000\r\n", "|1\r\n",
		"$99999999999999999999\r\n", "+" + strings.Repeat("a", longestLine) + "\r\n", strings.Repeat("*1\r\n", deepest+1) + ":1\r\n",
	} {
		if _, fine := count("+OK\r\n"+strange+"+OK\r\n", 7); !strings.HasPrefix("+OK\r\n"+strange, fine) || fine == "+OK\r\n"+strange {
			t.Errorf("%.40q: %.60q is fine", strange, fine)
		}
	}
}

// F26: nobody is handed an answer to what was not asked.
func TestOneAnswerPerQuestionAndThenNone(t *testing.T) {
	for name, c := range map[string]struct{ says, heard string }{
		"as asked":       {"+a\r\n$1\r\nb\r\n", "+a\r\n$1\r\nb\r\n"},
		"one more":       {"+a\r\n+b\r\n+c\r\n", "+a\r\n+b\r\n"},
		"a push":         {"+a\r\n>1\r\n+b\r\n", "+a\r\n"},
		"another speech": {"SSH-2.0-x\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			go func() {
				_, _ = io.ReadFull(theirs, make([]byte, len("*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n")))
				_, _ = io.WriteString(theirs, c.says)
				_ = theirs.Close()
			}()
			w := &wary{Conn: ours}
			if _, err := io.WriteString(w, "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n"); err != nil {
				t.Fatal(err)
			}
			heard, err := io.ReadAll(w)
			if string(heard) != c.heard || (err == nil) != (c.says == c.heard) || err != nil && !errors.Is(err, errStrange) {
				t.Errorf("heard %q, %v", heard, err)
			}
		})
	}
}

// Whatever comes, no byte is made up, no memory is taken, and the pieces it
// comes in make no difference.
func FuzzFrames(f *testing.F) {
	f.Add("*2\r\n$4\r\nPING\r\n$1\r\nx\r\n%1\r\n+a\r\n:1\r\n", 3)
	f.Add("*1000000000\r\n$-1\r\n>1\r\n", 1)
	f.Fuzz(func(t *testing.T, stream string, piece int) {
		if piece < 1 {
			return
		}
		whole, all := count(stream, max(1, len(stream)))
		messages, fine := count(stream, piece)
		if !strings.HasPrefix(stream, fine) || messages != whole || len(fine) < len(all) || len(fine) > len(all)+longestLine {
			t.Errorf("%q in one piece: %d, %q; in pieces of %d: %d, %q", stream, whole, all, piece, messages, fine)
		}
	})
}

// F26: a server that talks out of turn, or is none, is done without. Its client
// library would take the process down.
func TestAServerThatTalksOutOfTurnIsDoneWithout(t *testing.T) {
	for _, speech := range []string{
		"*3\r\n:1\r\n$-1\r\n+OK\r\n:99999\r\n$4\r\nlive\r\n", "+OK\r\n+OK\r\n", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", "*1000000000\r\n",
		"-LOADING\r\n-ERR\r\n-ERR\r\n-ERR\r\n-ERR\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "%1\r\n+proto\r\n:3\r\n+OK\r\n+OK\r\n+OK\r\n+PONG\r\n",
	} {
		t.Run(speech, func(t *testing.T) {
			t.Parallel()
			var now atomic.Int64
			c, err := Open(Config{
				URL: secret.New("redis://:x@" + saying(t, speech)), Index: func(key string) []byte { return []byte(key) },
				Now: func() time.Time { return time.Unix(now.Add(2), 0) }, // so that it tries anew each time
				Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for range 3 {
				if err := c.Propagate(t.Context(), outbound.Revocation{Principal: "u1"}); err == nil {
					t.Error("a revocation nobody heard of was propagated")
				}
			}
		})
	}
}

// saying listens, and says the same whatever it hears.
func saying(t *testing.T, speech string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var talks sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		talks.Wait()
	})
	talks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			talks.Go(func() {
				defer conn.Close()
				for b := make([]byte, 4096); ; {
					if _, err := conn.Read(b); err != nil {
						return
					}
					if _, err := io.WriteString(conn, speech); err != nil {
						return
					}
				}
			})
		}
	})
	return l.Addr().String()
}
