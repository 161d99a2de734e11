package picture

import "context"

// Occupy takes memory as a picture does, until release.
func (p *Painter) Occupy(bytes int64) (release func()) {
	if err := p.memory.Acquire(context.Background(), bytes); err != nil {
		panic(err)
	}
	return func() { p.memory.Release(bytes) }
}
