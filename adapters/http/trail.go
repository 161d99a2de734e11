package http

import (
	"cmp"
	"context"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/audit"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/page"
	"gatehouse/ports/inbound"
)

// trail serves the record of what was asked.
type trail struct {
	read inbound.UseCase[inbound.ReadAudit, inbound.AuditPage]
}

// ListAuditEntries handles GET /api/audit (L1).
func (h trail) ListAuditEntries(ctx context.Context, r api.ListAuditEntriesRequestObject) (api.ListAuditEntriesResponseObject, error) {
	f, err := entriesAsked(r.Params)
	if err != nil {
		return nil, err
	}
	all, err := h.read.Do(ctx, inbound.ReadAudit{
		Context: sceneOf(ctx).origin(client.Device{}), Filter: f,
		Page: pageOf(r.Params.Page, r.Params.Size, r.Params.Sort, page.Sort{By: "at", Descending: true}),
	})
	if err != nil {
		return nil, err
	}
	out := api.ListAuditEntries200JSONResponse{Page: pageInfoOf(all.Page)}
	for _, e := range all.Content {
		out.Content = append(out.Content, entryOf(e))
	}
	return out, nil
}

// carriedOut is the outcome of what was not refused.
const carriedOut = "DONE"

func entriesAsked(p api.ListAuditEntriesParams) (audit.Filter, error) {
	r := reading{fault.New(fault.InvalidRequest)}
	f := audit.Filter{Command: r.text("command", p.Command), From: r.instant("from", p.From), To: r.instant("to", p.To)}
	if p.Principal != nil {
		f.Principal = idOf(*p.Principal)
	}
	if outcome := r.text("outcome", p.Outcome); outcome == carriedOut {
		f.Outcome = new(fault.Code(""))
	} else if outcome != "" {
		f.Outcome = new(fault.Code(outcome))
	}
	if len(r.wrong.Broken()) > 0 {
		return audit.Filter{}, r.wrong
	}
	return f, nil
}

func entryOf(e audit.Entry) api.AuditEntry {
	return api.AuditEntry{
		Id: e.ID, Position: e.Position, At: api.Instant(e.At), Command: e.Command,
		PrincipalId: orNull(string(e.Principal)), SessionId: orNull(string(e.Session)),
		TargetId: orNull(string(e.Target.Principal)), Object: orNull(e.Target.Thing),
		Outcome: cmp.Or(string(e.Outcome), carriedOut), Network: orNull(e.Network), RequestId: orNull(e.Request),
	}
}
