package key

import (
	"slices"
	"time"
)

// StepName names a step of a rotation (contract §6, RotationStep).
type StepName string

// The steps, in their order.
const (
	SigningKeys    StepName = "signing_keys"
	EncryptionKeys StepName = "encryption_keys"
	BlindIndexKeys StepName = "blind_index_keys"
	Reencrypt      StepName = "reencrypt" // wraps the data keys anew
	Reindex        StepName = "reindex"   // indexes the addresses anew
)

// Phase is a part of a step that is not begun again once it is over.
type Phase string

// The phases of reindexing; every other step has but the first.
const (
	Filling  Phase = ""
	Clearing Phase = "clear" // of the slot that no key has any more
)

// Step is how far a step of a rotation is.
type Step struct {
	Name      StepName `json:"name"`
	Processed int      `json:"processed"` // records looked at, those that failed included
	Total     int      `json:"total"`
	Failed    int      `json:"failed"` // records left under their old key, which stays for them
	Phase     Phase    `json:"phase,omitempty"`
	After     string   `json:"after,omitempty"` // id of the last record of this phase that was looked at
	Done      bool     `json:"done,omitempty"`
}

// Rotation is the exchange of the keys of the service, and how far it is.
type Rotation struct {
	ID         string
	StartedAt  time.Time
	FinishedAt time.Time // zero while it runs
	Steps      []Step    // in order
}

// NewRotation returns a rotation of which nothing is done.
func NewRotation(id string, now time.Time) Rotation {
	r := Rotation{ID: id, StartedAt: now}
	for _, name := range []StepName{SigningKeys, EncryptionKeys, BlindIndexKeys, Reencrypt, Reindex} {
		r.Steps = append(r.Steps, Step{Name: name})
	}
	return r
}

// Running reports whether it was started and is not finished.
func (r Rotation) Running() bool { return !r.StartedAt.IsZero() && r.FinishedAt.IsZero() }

// Step returns the step to be worked on, if one is left.
func (r Rotation) Step() (Step, bool) {
	for _, s := range r.Steps {
		if !s.Done {
			return s, true
		}
	}
	return Step{}, false
}

// With returns r with another state of one step, finished now when that was
// the last one.
func (r Rotation) With(s Step, now time.Time) Rotation {
	r.Steps = slices.Clone(r.Steps)
	for i := range r.Steps {
		if r.Steps[i].Name == s.Name {
			r.Steps[i] = s
		}
	}
	if _, left := r.Step(); !left {
		r.FinishedAt = now
	}
	return r
}

// Once returns s as done, where there was one thing to do.
func (s Step) Once() Step {
	s.Processed, s.Total, s.Done = 1, 1, true
	return s
}

// Anew returns s before its first record.
func (s Step) Anew() Step {
	s.Processed, s.Failed, s.After = 0, 0, ""
	return s
}

// Seen returns s after n more records, of which some failed, the last of them
// being after. There may be more in all than were counted at first.
func (s Step) Seen(n, failed int, after string) Step {
	s.Processed, s.Failed, s.After = s.Processed+n, s.Failed+failed, after
	s.Total = max(s.Total, s.Processed)
	return s
}
