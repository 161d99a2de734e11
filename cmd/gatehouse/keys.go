package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	appkeys "gatehouse/application/keys"
	appoperations "gatehouse/application/operations"
	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

type keysCmd struct {
	List   keysListCmd   `cmd:"" help:"List ids, kinds and ages of the keys."`
	Rotate keysRotateCmd `cmd:"" help:"Exchange all keys, and wait until that is done."`
	Rewrap keysRewrapCmd `cmd:"" help:"Bring the stored keys under the master key of now."`
	Kill   keysKillCmd   `cmd:"" help:"Forget a signing key at once, with every token it signed."`
}

type keysListCmd struct {
	JSON bool `help:"Print one JSON array."`
}

// listedKey is a key in a list.
type listedKey struct {
	ID        string      `json:"id"`
	Purpose   key.Purpose `json:"purpose"`
	Algorithm string      `json:"algorithm"`
	State     key.State   `json:"state"`
	CreatedAt time.Time   `json:"createdAt"`
	DueAt     *time.Time  `json:"dueAt"`     // from when on a next key signs
	RetiredAt *time.Time  `json:"retiredAt"` //
}

// Run implements the command.
func (c keysListCmd) Run(ctx context.Context, p *process) error {
	return p.operate(ctx, func(f *foundation) error {
		all, err := query(f.around(), appoperations.NewKeyLister(appoperations.KeyListerDeps{Work: f.work})).Do(ctx, inbound.ListKeys{})
		if err != nil {
			return err
		}
		keys := make([]listedKey, 0, len(all))
		for _, k := range all {
			keys = append(keys, listedKey{k.ID, k.Purpose, k.Algorithm, k.State, k.CreatedAt.UTC(), orNull(k.DueAt), orNull(k.RetiredAt)})
		}
		return c.print(p.out, keys)
	})
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

func (c keysListCmd) print(out io.Writer, keys []listedKey) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(keys)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tPURPOSE\tALGORITHM\tSTATE\tAGE")
	for _, k := range keys {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Purpose, k.Algorithm, k.state(), age(k.CreatedAt))
	}
	return w.Flush()
}

// state is that of a key, and when it changes or has changed.
func (k listedKey) state() string {
	switch {
	case k.DueAt != nil:
		return fmt.Sprintf("%s, due %s", k.State, k.DueAt.Format(time.RFC3339))
	case k.RetiredAt != nil:
		return fmt.Sprintf("%s for %s", k.State, age(*k.RetiredAt))
	}
	return string(k.State)
}

func age(since time.Time) string {
	d := now().Sub(since)
	if d >= day {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.Truncate(time.Second).String()
}

type keysRotateCmd struct{}

// progressEvery is how often a rotation is looked at that another process works
// on.
const progressEvery = time.Second

// Run implements the command: it does what an admin may ask for over HTTP, and
// then the work as well, unless a replica does it.
func (c keysRotateCmd) Run(ctx context.Context, p *process) error {
	return p.operate(ctx, func(f *foundation) error {
		start := command(f.around(), appkeys.NewStarter(appkeys.StarterDeps{Work: f.work, Wake: func() {}, Now: now, NewID: newID}))
		_, err := start.Do(ctx, inbound.RotateKeys{})
		if err != nil && fault.CodeOf(err) != fault.SecretRotationOngoing {
			return err
		}
		if err != nil {
			fmt.Fprintln(p.out, "a rotation runs already")
		}
		worker := newWorker(f)
		for {
			finished, err := worker.Work(ctx)
			if err != nil && !errors.Is(err, outbound.ErrNotFound) {
				return err
			}
			if finished || err != nil {
				return c.report(ctx, p.out, f)
			}
			if err := c.report(ctx, p.out, f); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(progressEvery):
			}
		}
	})
}

// report prints how far a rotation is, in one line.
func (keysRotateCmd) report(ctx context.Context, out io.Writer, f *foundation) error {
	r, err := query(f.around(), inbound.UseCase[inbound.RotationStatus, inbound.RotationReport](
		appkeys.NewReporter(appkeys.ReporterDeps{Work: f.work}))).Do(ctx, inbound.RotationStatus{})
	if err != nil {
		return err
	}
	for i, s := range r.Steps {
		if i > 0 {
			fmt.Fprint(out, ", ")
		}
		fmt.Fprintf(out, "%s %d/%d", s.Name, s.Processed, s.Total)
		if s.Failed > 0 {
			fmt.Fprintf(out, " (%d failed)", s.Failed)
		}
	}
	_, err = fmt.Fprintln(out)
	return err
}

type keysRewrapCmd struct{}

// Run implements the command.
func (keysRewrapCmd) Run(ctx context.Context, p *process) error {
	return p.operate(ctx, func(f *foundation) error {
		if err := f.rewrap(ctx); err != nil {
			return err
		}
		all, err := f.work.Single().Keys.All(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "%d keys are under the master key\n", len(all))
		return err
	})
}

type keysKillCmd struct {
	ID  string `arg:"" help:"Id of the key, which is the kid of its tokens."`
	Yes bool   `help:"Really do it: whoever has a token of this key has to sign in again."`
}

// Run implements the command.
func (c keysKillCmd) Run(ctx context.Context, p *process) error {
	if !c.Yes {
		return errNotSure
	}
	return p.operate(ctx, func(f *foundation) error {
		kill := command(f.around(), appkeys.NewKiller(appkeys.KillerDeps{Work: f.work, Keeper: f.keeper, Now: now}))
		_, err := kill.Do(ctx, inbound.KillKey{ID: c.ID})
		if errors.Is(err, appkeys.ErrNoSigningKey) {
			return usageError{fmt.Errorf("%s: %w", c.ID, err)}
		}
		return err
	})
}
