package memory

import "context"

type restores struct{ data }

func (t restores) Epoch(ctx context.Context) (epoch int, err error) {
	err = t.read(ctx, func(s *state) error {
		epoch = s.epoch
		return nil
	})
	return epoch, err
}

func (t restores) Raise(ctx context.Context, to int) (raised bool, err error) {
	err = t.write(ctx, func(s *state) error {
		if raised = s.epoch < to; raised {
			s.epoch = to
		}
		return nil
	})
	return raised && err == nil, err
}
