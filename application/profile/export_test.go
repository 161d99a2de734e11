package profile_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	app "gatehouse/application/profile"
	"gatehouse/domain/audit"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// deleting deletes somebody as soon as they were read.
type deleting struct{ outbound.UnitOfWork }

type deletingPrincipals struct {
	outbound.Principals
	after outbound.Principals
}

func (w deleting) View(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return w.UnitOfWork.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		s.Principals = deletingPrincipals{s.Principals, w.UnitOfWork.Single().Principals}
		return fn(ctx, s)
	})
}

func (p deletingPrincipals) ByID(ctx context.Context, id principal.ID) (*principal.Principal, error) {
	found, err := p.Principals.ByID(ctx, id)
	if err != nil {
		return nil, err
	}
	return found, p.after.Delete(ctx, id)
}

func TestAnExportIsOfOneMoment(t *testing.T) {
	work := newWork(t)
	from, _ := client.ParseAddress("192.0.2.7")
	check(t, work.UnitOfWork.Single().Sessions.Add(t.Context(), session.Session{
		ID: "s1", PrincipalID: "ada", Client: client.Info{Address: from}, StartedAt: noon, ExpiresAt: noon.Add(time.Hour), Until: noon.Add(time.Hour),
	}))
	export := app.NewExporter(app.ExporterDeps{Work: deleting{work.UnitOfWork}, Now: func() time.Time { return noon }})
	ask := inbound.ExportSelf{Context: inbound.Context{Caller: session.Caller{PrincipalID: "ada", StepUp: session.StepUpGranted}}}
	got, err := export.Do(t.Context(), ask)
	check(t, err)
	if got.Principal.Name() != "Ada" || len(got.Sessions) != 1 || !got.At.Equal(noon) {
		t.Errorf("Do = %+v", got)
	}
	if _, err := export.Do(t.Context(), ask); fault.CodeOf(err) != fault.PrincipalNotFound {
		t.Errorf("once deleted: %v", err)
	}
}

// The gate asks the same; what tells everything asks again.
func TestNobodyIsToldEverythingWithoutAProof(t *testing.T) {
	export := app.NewExporter(app.ExporterDeps{Work: newWork(t).UnitOfWork, Now: func() time.Time { return noon }})
	_, err := export.Do(t.Context(), inbound.ExportSelf{Context: inbound.Context{Caller: session.Caller{PrincipalID: "ada"}}})
	if fault.CodeOf(err) != fault.StepUpTokenMissing {
		t.Errorf("Do = %v", err)
	}
}

func TestALongTrailIsReadToItsEnd(t *testing.T) {
	work := newWork(t)
	for round, n := range []int{999, 1, 1} { // as many as are read at once, and one more
		entries := make([]audit.Entry, n)
		for i := range entries {
			entries[i] = audit.Entry{ID: fmt.Sprint(round, ":", i), At: noon, Command: "SignIn", Principal: "ada"}
		}
		_, err := work.UnitOfWork.Single().Trail.Append(t.Context(), entries...)
		check(t, err)
	}
	export := app.NewExporter(app.ExporterDeps{Work: work.UnitOfWork, Now: func() time.Time { return noon }})
	got, err := export.Do(t.Context(), inbound.ExportSelf{Context: inbound.Context{Caller: session.Caller{PrincipalID: "ada", StepUp: session.StepUpGranted}}})
	check(t, err)
	if len(got.Events) != 1001 || got.Events[1000].Position != 1001 {
		t.Errorf("%d events", len(got.Events))
	}
}
