package principal

import "time"

// Erasure says that a principal was deleted. It is all that is kept of them,
// and no personal data.
type Erasure struct {
	ID ID
	At time.Time
}
