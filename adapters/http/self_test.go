package http_test

import (
	"context"
	"net/http/httptest"
	"testing"

	adapter "gatehouse/adapters/http"
	"gatehouse/domain/fault"
	"gatehouse/ports/inbound"
)

// Operations that answer with the caller's record have it read with the access
// check, others do not.
func TestTheRecordIsAskedForWhereItIsTheAnswer(t *testing.T) {
	w := newWorld(t)
	var asked []inbound.Authenticate
	d := w.deps
	d.Authenticate = inbound.Func[inbound.Authenticate, inbound.Access](func(_ context.Context, in inbound.Authenticate) (inbound.Access, error) {
		asked = append(asked, in)
		return inbound.Access{}, fault.New(fault.AccessTokenExpired)
	})
	h, err := adapter.New(d)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/api/users/me": true, "/api/auth/status": true, "/api/users/me/sessions": false,
	} {
		asked = nil
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if len(asked) != 1 || asked[0].Self != want {
			t.Errorf("%s asks %+v, want Self %t", path, asked, want)
		}
	}
}
