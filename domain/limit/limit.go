// Package limit holds the arithmetic of request limits: buckets that refill
// continuously (contract §1.3). Stores keep one instant per bucket.
package limit

import "time"

// Budget is the size of a bucket: Count requests per Per.
type Budget struct {
	Count int
	Per   time.Duration
}

// exactBelow parts the budgets that guard something, such as the guessing of
// passwords, from those that only keep the peace.
const exactBelow = 50

// Exact reports whether a budget is so small that replicas which share it must
// not exceed it at all.
func (b Budget) Exact() bool { return b.Count < exactBelow }

// Interval is how long it takes until what one request took is back.
func (b Budget) Interval() time.Duration { return b.Per / time.Duration(b.Count) }

// Take asks for one request out of the bucket called Key.
type Take struct {
	Key    string
	Budget Budget
}

// Next is the generic cell rate algorithm (ITU-T I.371). full is the instant
// at which the bucket will be, or was, full again. It returns that instant
// after one more request, or how long to wait until one fits; then nothing is
// taken.
func (b Budget) Next(full, now time.Time) (_ time.Time, wait time.Duration) {
	if full.Before(now) {
		full = now
	}
	next := full.Add(b.Interval())
	if wait = next.Sub(now) - b.Per; wait > 0 {
		return full, wait
	}
	return next, 0
}
