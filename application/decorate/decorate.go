// Package decorate holds what is true of every use case, written once: panics
// end in it, observers hear of it, commands are put on record. Only cmd
// applies it. Transactions, permissions and validation are no decorators,
// being part of what a use case means.
package decorate

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// nameOf is the one name a use case has everywhere: that of its command.
func nameOf[In any]() string { return reflect.TypeFor[In]().Name() }

// Guard makes a panic an error with the stack in it, so that whatever stands
// around it sees an ordinary failure. Apply it first.
func Guard[In, Out any](next inbound.UseCase[In, Out]) inbound.UseCase[In, Out] {
	return inbound.Func[In, Out](func(ctx context.Context, in In) (out Out, err error) {
		defer func() {
			if v := recover(); v != nil {
				err = &crash{useCase: nameOf[In](), what: describe(v), stack: debug.Stack()}
			}
		}()
		return next.Do(ctx, in)
	})
}

// crash is a panic that was caught.
type crash struct {
	useCase, what string
	stack         []byte
}

func (c *crash) Error() string { return fmt.Sprintf("panic in %s: %s\n%s", c.useCase, c.what, c.stack) }

// describe tells a value by its type, since it may be a part of the request.
// What the runtime says holds no values of ours.
func describe(panicked any) string {
	if e, ok := panicked.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", panicked)
}

// Observe lets o watch every call.
func Observe[In, Out any](o outbound.Observer, next inbound.UseCase[In, Out]) inbound.UseCase[In, Out] {
	name := nameOf[In]()
	return inbound.Func[In, Out](func(ctx context.Context, in In) (Out, error) {
		ctx, end := o.Begin(ctx, name)
		out, err := next.Do(ctx, in)
		end(err)
		return out, err
	})
}

// Audited is a command that says who asks, and from where.
type Audited interface {
	By() session.Caller
	Via() audit.Origin
}

// Aimed is a command, or an answer, that says what it is done to.
type Aimed interface{ Aim() audit.Target }

// Concerning is an answer, or what comes with a refusal, that says whom the
// command turned out to concern, "" for nobody: who signs in is nobody before.
type Concerning interface {
	Whom() (principal.ID, session.ID)
}

// patience is how long a record may take when its caller is gone already.
const patience = 5 * time.Second

// Audit puts every command on record with how it ended, refusals included,
// before it answers; when the record is stored is up to the log. Who asked stands
// there or, when that was nobody, who was recognised by it; besides, whom and
// what it was done to.
func Audit[In Audited, Out any](log outbound.AuditLog, now func() time.Time, next inbound.UseCase[In, Out]) inbound.UseCase[In, Out] {
	name := nameOf[In]()
	return inbound.Func[In, Out](func(ctx context.Context, in In) (Out, error) {
		out, err := next.Do(ctx, in)
		e := audit.Entry{At: now(), Command: name, Outcome: fault.CodeOf(err), Origin: in.Via()}
		record(ctx, log, involve(e, in, out, err))
		return out, err
	})
}

// involve says who was involved. An answer tells of who was nobody before, and
// of whom an operator, who is nobody, has named in another way than by an id.
func involve(e audit.Entry, in Audited, out any, err error) audit.Entry {
	by := in.By()
	for _, said := range []any{in, out} {
		if aimed, ok := said.(Aimed); ok {
			e.Target = aimed.Aim()
		}
	}
	if !by.IsNobody() {
		e.Principal, e.Session = by.PrincipalID, by.SessionID
		if e.Target.Principal == e.Principal {
			e.Target.Principal = ""
		}
		return e
	}
	who, from := whom(out)
	operator := e.Origin == (audit.Origin{})
	switch {
	case who == "":
	case account.Stands(err) && !operator:
		e.Principal, e.Session = who, from
	default:
		e.Target.Principal = who
		if from != "" {
			e.Target.Thing = string(from)
		}
	}
	return e
}

func whom(out any) (principal.ID, session.ID) {
	switch told := out.(type) {
	case Concerning:
		return told.Whom()
	case *principal.Principal:
		if told != nil {
			return told.ID(), ""
		}
	}
	return "", ""
}

// record does not let a caller who hangs up escape it.
func record(ctx context.Context, log outbound.AuditLog, e audit.Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	log.Record(ctx, e)
}
