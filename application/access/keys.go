package access

import (
	"context"

	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.PublicKeys, inbound.PublicKeySet] = (*KeyPublisher)(nil)

// KeyPublisherDeps are what a [KeyPublisher] works with. All are required.
type KeyPublisherDeps struct{ Keys outbound.KeySet }

// KeyPublisher answers [inbound.PublicKeys].
type KeyPublisher struct{ d KeyPublisherDeps }

// NewKeyPublisher returns a KeyPublisher.
func NewKeyPublisher(d KeyPublisherDeps) *KeyPublisher { return &KeyPublisher{d} }

// Do implements [inbound.UseCase].
func (k *KeyPublisher) Do(context.Context, inbound.PublicKeys) (inbound.PublicKeySet, error) {
	return k.d.Keys.PublicKeys(), nil
}
