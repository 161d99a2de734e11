package main

import (
	"context"
	"errors"
	"fmt"

	apptrail "gatehouse/application/trail"
	"gatehouse/domain/audit"
	"gatehouse/ports/inbound"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Check that nothing in the audit trail was changed: exit 1, and the first entry that does not hold, if something was."`
}

type auditVerifyCmd struct {
	Head string `help:"An end of the trail that was noted before, from the log or from this command: the trail must still contain it." placeholder:"POSITION:HASH"`
}

// Run implements the command.
func (c auditVerifyCmd) Run(ctx context.Context, p *process) error {
	var q inbound.VerifyAudit
	if c.Head != "" {
		noted, ok := audit.ParseHead(c.Head)
		if !ok {
			return usageError{errors.New("--head: must be a position and 64 hexadecimal digits, as in 12:0ab1…")}
		}
		q.Noted = &noted
	}
	return p.operate(ctx, func(f *foundation) error {
		v, err := query(f.around(), apptrail.NewVerifier(apptrail.VerifierDeps{Work: f.work})).Do(ctx, q)
		if err != nil {
			return err
		}
		return c.report(p, v)
	})
}

func (auditVerifyCmd) report(p *process, v inbound.AuditVerdict) error {
	switch {
	case v.Why != "" && v.At > 0:
		return fmt.Errorf("audit trail is broken at entry %d: %s (%d entries before it hold)", v.At, v.Why, v.Entries)
	case v.Why != "":
		return fmt.Errorf("audit trail is broken: %s", v.Why)
	}
	if v.Head.Position == 0 {
		return errors.New("audit trail is empty: nothing was ever stored, or all of it was removed")
	}
	if v.Noted == inbound.NotedPurged {
		fmt.Fprintln(p.err, "the entry that was noted is too old to be kept, nothing was compared with it")
	}
	_, err := fmt.Fprintf(p.out, "%d entries hold after %d, head %s\n", v.Entries, v.From.Position, v.Head)
	return err
}
