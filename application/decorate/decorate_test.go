package decorate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/application/decorate"
	"gatehouse/domain/audit"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

// ring asks that a bell is rung.
type ring struct{ times int }

func (ring) By() session.Caller { return session.Caller{PrincipalID: "ada", SessionID: "phone"} }

func (ring) Via() audit.Origin { return here }

var here = audit.Origin{Network: "192.0.2.0/24", Request: "r1"}

type mark struct{}

// diary is an observer and an audit log that writes everything down.
type diary struct {
	lines []string
	ended error
	entry audit.Entry
}

func (d *diary) Begin(ctx context.Context, useCase string) (context.Context, func(error)) {
	d.lines = append(d.lines, "begin "+useCase)
	return context.WithValue(ctx, mark{}, true), func(err error) {
		d.ended = err
		d.lines = append(d.lines, "end "+string(fault.CodeOf(err)))
	}
}

func (d *diary) Record(_ context.Context, e audit.Entry) {
	d.entry = e
	d.lines = append(d.lines, "record "+string(e.Outcome))
}

func clock() time.Time { return noon }

func TestEveryEndIsSeenByEveryDecorator(t *testing.T) {
	boom := errors.New("the bell fell down")
	for name, tc := range map[string]struct {
		do   inbound.Func[ring, int]
		want fault.Code
		is   error
	}{
		"an answer": {do: func(_ context.Context, r ring) (int, error) { return r.times, nil }},
		"a refusal": {do: func(context.Context, ring) (int, error) { return 0, fault.New(fault.UserNotFound) }, want: fault.UserNotFound, is: fault.UserNotFound},
		"a wrapped refusal": {do: func(context.Context, ring) (int, error) {
			return 0, fmt.Errorf("ring: %w", fault.New(fault.UserNotFound))
		}, want: fault.UserNotFound, is: fault.UserNotFound},
		"a failure": {do: func(context.Context, ring) (int, error) { return 0, boom }, want: fault.InternalError, is: boom},
		"a panic":   {do: func(context.Context, ring) (int, error) { panic("boom") }, want: fault.InternalError},
	} {
		t.Run(name, func(t *testing.T) {
			d := &diary{}
			use := decorate.Observe(d, decorate.Audit(d, clock, decorate.Guard(tc.do)))
			got, err := use.Do(t.Context(), ring{times: 3})
			if fault.CodeOf(err) != tc.want || (tc.is != nil && !errors.Is(err, tc.is)) || (err == nil) != (got == 3) {
				t.Fatalf("Do = %d, %v", got, err)
			}
			if d.ended != err { //nolint:errorlint // the very same one
				t.Errorf("the observer saw %v", d.ended)
			}
			want := []string{"begin ring", "record " + string(tc.want), "end " + string(tc.want)}
			if !slices.Equal(d.lines, want) {
				t.Errorf("got  %q\nwant %q", d.lines, want)
			}
			entry := audit.Entry{At: noon, Command: "ring", Principal: "ada", Session: "phone", Outcome: tc.want, Origin: here}
			if d.entry != entry {
				t.Errorf("entry = %+v\nwant    %+v", d.entry, entry)
			}
		})
	}
}

func TestAUseCaseRunsInTheObserversContext(t *testing.T) {
	use := decorate.Observe(&diary{}, decorate.Guard(inbound.Func[ring, bool](func(ctx context.Context, _ ring) (bool, error) {
		return ctx.Value(mark{}) != nil, nil
	})))
	if ok, err := use.Do(t.Context(), ring{}); !ok || err != nil {
		t.Errorf("Do = %v, %v", ok, err)
	}
}

func TestGuardTellsWhereAndNotWhat(t *testing.T) {
	type password struct{ text string }
	for name, value := range map[string]any{
		"text": "SECRET", "an error": errors.New("SECRET"), "a value": password{"SECRET"}, "a pointer": &password{"SECRET"},
	} {
		use := decorate.Guard(inbound.Func[ring, int](func(context.Context, ring) (int, error) { panic(value) }))
		_, err := use.Do(t.Context(), ring{})
		if err == nil || strings.Contains(err.Error(), "SECRET") || !strings.Contains(err.Error(), "panic in ring") ||
			!strings.Contains(err.Error(), "decorate_test.go") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGuardTellsWhatTheRuntimeSays(t *testing.T) {
	use := decorate.Guard(inbound.Func[ring, int](func(_ context.Context, r ring) (int, error) { return []int{}[r.times], nil }))
	_, err := use.Do(t.Context(), ring{times: 7})
	if err == nil || !strings.Contains(err.Error(), "index out of range [7]") {
		t.Errorf("Do = %v", err)
	}
}

func TestACallerWhoHangsUpIsRecorded(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	use := decorate.Audit(recorder(func(ctx context.Context, _ audit.Entry) {
		if ctx.Err() != nil {
			t.Error("the record was given no time")
		}
	}), clock, inbound.Func[ring, int](func(context.Context, ring) (int, error) {
		hangUp()
		return 1, nil
	}))
	if _, err := use.Do(ctx, ring{}); err != nil {
		t.Error(err)
	}
}

func TestARecordMayNotTakeForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		use := decorate.Audit(recorder(func(ctx context.Context, _ audit.Entry) { <-ctx.Done() }), clock,
			inbound.Func[ring, int](func(context.Context, ring) (int, error) { return 1, nil }))
		if out, err := use.Do(t.Context(), ring{}); out != 1 || err != nil {
			t.Errorf("Do = %d, %v", out, err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestASignInIsOnRecordForWhoSignedIn(t *testing.T) {
	ada := inbound.SignedIn{Principal: principal.NewGuest("ada", "Ada", noon), SessionID: "laptop"}
	nobody, known := inbound.Context{Request: "r1"}, inbound.Context{Caller: session.Caller{PrincipalID: "bob", SessionID: "phone"}, Request: "r1"}
	for name, tc := range map[string]struct {
		cmd  inbound.SignIn
		out  inbound.SignedIn
		err  error
		want audit.Entry
	}{
		"nobody before": {cmd: inbound.SignIn{Context: nobody}, out: ada, want: audit.Entry{Principal: "ada", Session: "laptop"}},
		"refused": {
			cmd: inbound.SignIn{Context: nobody}, err: fault.New(fault.InvalidCredentials), want: audit.Entry{Outcome: fault.InvalidCredentials},
		},
		"refused at somebody's account": {
			cmd: inbound.SignIn{Context: nobody}, out: inbound.SignedIn{About: "ada"}, err: fault.New(fault.InvalidCredentials),
			want: audit.Entry{Target: audit.Target{Principal: "ada"}, Outcome: fault.InvalidCredentials},
		},
		"refused, and somebody's session ended": {
			cmd: inbound.SignIn{Context: nobody}, out: inbound.SignedIn{About: "ada", SessionID: "phone"}, err: fault.New(fault.RefreshTokenInvalid),
			want: audit.Entry{Target: audit.Target{Principal: "ada", Thing: "phone"}, Outcome: fault.RefreshTokenInvalid},
		},
		"done, but for a cache": {
			cmd: inbound.SignIn{Context: nobody}, out: ada, err: fault.New(fault.PostCommitSideEffectFailure),
			want: audit.Entry{Principal: "ada", Session: "laptop", Outcome: fault.PostCommitSideEffectFailure},
		},
		"somebody else before": {
			cmd: inbound.SignIn{Context: known}, out: ada, want: audit.Entry{Principal: "bob", Session: "phone"},
		},
		"somebody before, refused": {
			cmd: inbound.SignIn{Context: known}, err: fault.New(fault.UserDisabled),
			want: audit.Entry{Principal: "bob", Session: "phone", Outcome: fault.UserDisabled},
		},
	} {
		d := &diary{}
		use := decorate.Audit(d, clock, inbound.Func[inbound.SignIn, inbound.SignedIn](func(context.Context, inbound.SignIn) (inbound.SignedIn, error) {
			return tc.out, tc.err
		}))
		if _, err := use.Do(t.Context(), tc.cmd); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v", name, err)
		}
		tc.want.At, tc.want.Command, tc.want.Request = noon, "SignIn", "r1"
		if d.entry != tc.want {
			t.Errorf("%s: entry = %+v\nwant    %+v", name, d.entry, tc.want)
		}
	}
}

type recorder func(context.Context, audit.Entry)

func (r recorder) Record(ctx context.Context, e audit.Entry) { r(ctx, e) }

// What somebody does to others and to things stands beside who does it.
func TestAnAimIsOnRecord(t *testing.T) {
	ada := session.Caller{PrincipalID: "ada", SessionID: "phone"}
	from, _ := client.ParseAddress("192.0.2.77")
	at := inbound.Context{Caller: ada, From: client.Info{Address: from}, Request: "r1"}
	bob := principal.NewGuest("bob", "Bob", noon)
	for name, tc := range map[string]struct {
		run  func(context.Context, outbound.AuditLog) error
		want audit.Entry
	}{
		"an admin, to a user": {
			done(inbound.GrantAdmin{Context: at, ID: "bob"}, bob),
			audit.Entry{Command: "GrantAdmin", Principal: "ada", Session: "phone", Target: audit.Target{Principal: "bob"}, Origin: here},
		},
		"an admin, to themselves": {
			done(inbound.GrantAdmin{Context: at, ID: "ada"}, bob),
			audit.Entry{Command: "GrantAdmin", Principal: "ada", Session: "phone", Origin: here},
		},
		"an admin, to a member": {
			done(inbound.AddMember{Context: at, User: "bob", Group: "staff"}, bob),
			audit.Entry{Command: "AddMember", Principal: "ada", Session: "phone", Target: audit.Target{Principal: "bob", Thing: "staff"}, Origin: here},
		},
		"an operator, by an address": {
			done(inbound.SetAdmin{User: "bob@example.com", Admin: true}, bob),
			audit.Entry{Command: "SetAdmin", Target: audit.Target{Principal: "bob"}},
		},
		"an operator, to nobody": {
			done(inbound.SetAdmin{User: "bob@example.com", Admin: true}, (*principal.Principal)(nil)), audit.Entry{Command: "SetAdmin"},
		},
		"who has a link": {
			done(inbound.VerifyEmail{Context: inbound.Context{From: at.From, Request: "r1"}}, bob),
			audit.Entry{Command: "VerifyEmail", Principal: "bob", Origin: here},
		},
	} {
		d := &diary{}
		if err := tc.run(t.Context(), d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if tc.want.At = noon; d.entry != tc.want {
			t.Errorf("%s: entry = %+v\nwant    %+v", name, d.entry, tc.want)
		}
	}
}

// Who asks for an account or a link is nobody, and whom it turned out to
// concern is no caller.
func TestAnAnswerMaySayWhomItConcerned(t *testing.T) {
	from, _ := client.ParseAddress("192.0.2.77")
	at := inbound.Context{From: client.Info{Address: from}, Request: "r1"}
	d := &diary{}
	register := decorate.Audit(d, clock, inbound.Func[inbound.Register, inbound.Registered](func(context.Context, inbound.Register) (inbound.Registered, error) {
		return inbound.Registered{Account: "ada"}, nil
	}))
	_, err := register.Do(t.Context(), inbound.Register{Context: at})
	if want := (audit.Entry{At: noon, Command: "Register", Target: audit.Target{Principal: "ada"}, Origin: here}); err != nil || d.entry != want {
		t.Errorf("entry = %+v, %v\nwant    %+v", d.entry, err, want)
	}
	forget := decorate.Audit(d, clock, inbound.Func[inbound.RequestPasswordReset, inbound.ResetRequested](func(context.Context, inbound.RequestPasswordReset) (inbound.ResetRequested, error) {
		return inbound.ResetRequested{}, nil
	}))
	_, err = forget.Do(t.Context(), inbound.RequestPasswordReset{Context: at})
	if want := (audit.Entry{At: noon, Command: "RequestPasswordReset", Origin: here}); err != nil || d.entry != want {
		t.Errorf("entry = %+v, %v\nwant    %+v", d.entry, err, want)
	}
}

// done carries a command out.
func done[In decorate.Audited](cmd In, out inbound.Self) func(context.Context, outbound.AuditLog) error {
	return func(ctx context.Context, log outbound.AuditLog) error {
		use := decorate.Audit(log, clock, inbound.Func[In, inbound.Self](func(context.Context, In) (inbound.Self, error) { return out, nil }))
		_, err := use.Do(ctx, cmd)
		return err
	}
}
