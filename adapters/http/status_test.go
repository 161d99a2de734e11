package http_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	adapter "gatehouse/adapters/http"
	"gatehouse/domain/fault"
	"gatehouse/ports/inbound"
)

func TestEveryCodeHasTheStatusAndTitleOfTheContract(t *testing.T) {
	codes := fault.Codes()
	if len(codes) != len(contract().Codes) || len(codes) != adapter.Answered() {
		t.Errorf("%d codes, %d in the contract, %d with an answer", len(codes), len(contract().Codes), adapter.Answered())
	}
	for _, code := range codes {
		status, title, ok := adapter.AnswerOf(code)
		want, known := contract().Codes[string(code)]
		if !ok || !known || status != want.Status || title != want.Title {
			t.Errorf("%s: %d %q, want %d %q", code, status, title, want.Status, want.Title)
		}
	}
}

// TestEveryCodeAnOperationNamesIsRendered has a use case refuse with each one,
// so that shape and headers of all of them are checked.
func TestEveryCodeAnOperationNamesIsRendered(t *testing.T) {
	var refusal error
	w := newWorld(t, with(func(d *adapter.Deps) {
		d.Limits.Enabled = false
		d.ChangePassword = refusing[inbound.ChangePassword, inbound.Self](&refusal)
		d.SignIn = refusing[inbound.SignIn, inbound.SignedIn](&refusal)
		d.Refresh = refusing[inbound.Refresh, inbound.SignedIn](&refusal)
		d.VerifyEmail = refusing[inbound.VerifyEmail, inbound.Self](&refusal)
		d.SendVerification = refusing[inbound.SendVerification, inbound.MailSent](&refusal)
	}))
	g := w.guest()
	g.stepUp = w.ok(req("POST /api/auth/step-up", "", bearer(g.access))).text("stepUpToken")
	for id, r := range map[string]request{
		"P5": changeBy(g), "A2": loginOf("ada@example.com", "x"), "A4": req("POST /api/auth/refresh", "", bearer(g.refresh)),
		"A7": req("POST /api/auth/email/verification?token=x", ""), "A9": req("POST /api/auth/email/verification/send", "", bearer(g.access)),
	} {
		for _, codes := range endpointOf(t, id).Errors {
			for _, code := range append(slices.Clone(codes), "INTERNAL_ERROR") {
				refused := fault.New(fault.Code(code))
				if code == "INVALID_REQUEST" {
					refused = refused.On("x", fault.RuleType)
				}
				refusal = errors.Join(refused, errStorage)
				for _, language := range words().Languages() {
					if a := w.send(r.but(set("Accept-Language", language))); a.code() != code || a.header.Get("Content-Language") != language {
						t.Errorf("%s in %s: %d %s in %s", code, language, a.status, a.code(), a.header.Get("Content-Language"))
					}
				}
			}
		}
	}
}

func refusing[In, Out any](with *error) inbound.Func[In, Out] {
	return func(context.Context, In) (out Out, err error) { return out, *with }
}
