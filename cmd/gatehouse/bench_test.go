package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	argon2adapter "gatehouse/adapters/argon2"
	"gatehouse/adapters/gorm/pgtest"
	httpadapter "gatehouse/adapters/http"
	telemetryadapter "gatehouse/adapters/telemetry"
	"gatehouse/domain/password"
	"gatehouse/ports/inbound"
)

// onBoth runs a benchmark of a service without its background work, on both
// databases. Its hasher costs next to nothing, so that the rest shows.
func onBoth(b *testing.B, run func(b *testing.B, s *service, uc httpadapter.Deps)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			environ := []string{
				"GATEHOUSE_HTTP_ADDRESS=127.0.0.1:0", "GATEHOUSE_INTERNAL_ADDRESS=127.0.0.1:0",
				"GATEHOUSE_DATA_DIR=" + filepath.Join(b.TempDir(), "data"), "GATEHOUSE_LIMITS_ENABLED=false",
				"GATEHOUSE_PASSWORD_HASH_MEMORY_KIB=8", "GATEHOUSE_PASSWORD_HASH_ITERATIONS=1",
			}
			if engine == "postgres" {
				environ = append(environ, "GATEHOUSE_DATABASE_URL="+pgtest.URL(b))
			}
			cfg, err := loadConfig("", nil, environ, quiet)
			must(b, err)
			f, err := lay(b.Context(), cfg, quiet)
			must(b, err)
			defer f.Close()
			d, err := bind(b.Context(), cfg.config)
			must(b, err)
			defer d.close()
			h, err := newHasher(cfg)
			must(b, err)
			s, err := build(b.Context(), f, d, func() (*argon2adapter.Hasher, error) { return h, nil })
			must(b, err)
			defer s.close()
			words, err := newWords(cfg)
			must(b, err)
			p, err := newParts(f, s.base, f.work, h)
			must(b, err)
			uc, err := s.deps(words, p, s.recorded(s.metrics, telemetryadapter.Log{To: quiet, Now: now}))
			must(b, err)
			run(b, s, uc)
		})
	}
}

// repeat asks the same use case again and again; next makes what is asked of the
// last answer.
func repeat[In, Out any](b *testing.B, name string, uc inbound.UseCase[In, Out], last Out, next func(last Out) In) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out, err := uc.Do(b.Context(), next(last))
			must(b, err)
			last = out
		}
	})
}

func BenchmarkUseCases(b *testing.B) {
	onBoth(b, func(b *testing.B, _ *service, uc httpadapter.Deps) {
		secret, total := password.NewPlain(first), 0
		register := func(inbound.Registered) inbound.Register {
			total++
			return inbound.Register{Email: fmt.Sprintf("ada%d@example.com", total), Name: "Ada", Password: secret, SendEmail: true}
		}
		done, err := uc.Register.Do(b.Context(), register(inbound.Registered{}))
		must(b, err)
		ada := inbound.SignIn{Email: "ada1@example.com", Password: secret}
		in, err := uc.SignIn.Do(b.Context(), ada)
		must(b, err)
		whoAmI := inbound.Func[inbound.Authenticate, inbound.Self](func(ctx context.Context, in inbound.Authenticate) (inbound.Self, error) {
			access, err := uc.Authenticate.Do(ctx, in)
			if err != nil {
				return nil, err
			}
			return uc.WhoAmI.Do(ctx, inbound.WhoAmI{Access: access})
		})
		repeat(b, "who am I", whoAmI, nil, func(inbound.Self) inbound.Authenticate { return inbound.Authenticate{AccessToken: in.Tokens.Access} })
		repeat(b, "refresh", uc.Refresh, in, func(last inbound.SignedIn) inbound.Refresh { return inbound.Refresh{RefreshToken: last.Tokens.Refresh} })
		repeat(b, "sign in", uc.SignIn, in, func(inbound.SignedIn) inbound.SignIn { return ada })
		repeat(b, "register", uc.Register, done, register)
	})
}

// browser asks the public address, past any network.
type browser struct {
	public  http.Handler
	cookies map[string]*http.Cookie
}

func (br browser) ask(b *testing.B, method, path, body string) {
	b.Helper()
	req := httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	for _, c := range br.cookies {
		req.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	if br.public.ServeHTTP(rec, req); rec.Code != http.StatusOK {
		b.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
	for _, c := range rec.Result().Cookies() {
		br.cookies[c.Name] = c
	}
}

func BenchmarkRequests(b *testing.B) {
	onBoth(b, func(b *testing.B, s *service, _ httpadapter.Deps) {
		ada, total := browser{s.public, map[string]*http.Cookie{}}, 0
		register := func(b *testing.B) {
			total++
			clear(ada.cookies)
			ada.ask(b, "POST", "/api/auth/register", credentialsOf(fmt.Sprintf("ada%d@example.com", total), `,"name":"Ada"`))
		}
		signIn := func(b *testing.B) {
			clear(ada.cookies)
			ada.ask(b, "POST", "/api/auth/login", credentialsOf("ada1@example.com", ""))
		}
		register(b)
		signIn(b)
		for _, r := range []struct {
			name string
			do   func(b *testing.B)
		}{
			{"who am I", func(b *testing.B) { ada.ask(b, "GET", "/api/users/me", "") }},
			{"refresh", func(b *testing.B) { ada.ask(b, "POST", "/api/auth/refresh", "") }},
			{"sign in", signIn},
			{"register", register},
		} {
			b.Run(r.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r.do(b)
				}
			})
		}
	})
}
