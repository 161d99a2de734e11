package key

import "time"

// Published is how long a signing key is shown before it signs: twice as long
// as others may keep the key set (contract §9, W1; faults §9.6).
const Published = 10 * time.Minute

// Ring is the keys of the service, without their material.
type Ring []Key

// In returns the first key of a purpose that is in a state.
func (r Ring) In(p Purpose, s State) (Key, bool) {
	for _, k := range r {
		if k.Purpose == p && k.State == s {
			return k, true
		}
	}
	return Key{}, false
}

// Leaving returns the retired blind-index key that addresses are still found
// by: some of them could not be indexed under its successor.
func (r Ring) Leaving() (Key, bool) {
	for _, k := range r {
		if k.State == Retired && k.Slot != NoSlot {
			return k, true
		}
	}
	return Key{}, false
}

// SignsFrom returns from when on next may sign instead of current. A key that
// is as old as the current one was in every key set that ever was published.
func SignsFrom(current, next Key) time.Time {
	if !next.CreatedAt.After(current.CreatedAt) {
		return next.CreatedAt
	}
	return next.CreatedAt.Add(Published)
}

// Promoted returns k as the current key of its purpose.
func (k Key) Promoted() Key {
	k.State, k.DueAt = Current, time.Time{}
	return k
}

// Retire returns k as it is from now on: used for nothing new.
func (k Key) Retire(now time.Time) Key {
	k.State, k.RetiredAt = Retired, now
	return k
}

// Find returns the key with an id.
func (r Ring) Find(id string) (Key, bool) {
	for _, k := range r {
		if k.ID == id {
			return k, true
		}
	}
	return Key{}, false
}
