package directory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/account/accounttest"
	app "gatehouse/application/directory"
	"gatehouse/application/password/passwordtest"
	"gatehouse/domain/fault"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

// viewOnly is a store in which nothing can be read but within one view.
type viewOnly struct{ outbound.UnitOfWork }

func (v viewOnly) Single() outbound.Stores { return outbound.Stores{} }

func find(t *testing.T, roles ...principal.Role) (inbound.UserPage, error) {
	t.Helper()
	store := memory.New()
	for _, id := range []principal.ID{"ada", "bob"} {
		p := principal.NewUser(id, string(id), accounttest.Address(string(id)+"@example.com"), passwordtest.HashOf("x"), noon)
		if err := store.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error { return s.Principals.Add(ctx, p) }); err != nil {
			t.Fatal(err)
		}
	}
	return app.NewFinder(app.FinderDeps{Work: viewOnly{store}}).Do(t.Context(), inbound.FindUsers{
		Context: inbound.Context{Caller: session.Caller{PrincipalID: "ada", Roles: roles}},
		Filter:  principal.Filter{Query: "B"}, Page: page.Request{Size: 5},
	})
}

// What is counted and what is listed are of one moment.
func TestAdminsFindUsersInOneView(t *testing.T) {
	got, err := find(t, principal.RoleUser, principal.RoleAdmin)
	if err != nil || got.Total != 1 || len(got.Content) != 1 || got.Content[0].ID != "bob" || got.Content[0].Disabled == nil || got.Request.Size != 5 {
		t.Errorf("found %+v, %v", got, err)
	}
}

func TestNobodyElseFindsUsers(t *testing.T) {
	got, err := find(t, principal.RoleUser)
	if !errors.Is(err, fault.RoleRequired) || got.Total != 0 || got.Content != nil {
		t.Errorf("found %+v, %v", got, err)
	}
}
