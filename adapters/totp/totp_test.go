package totp_test

import (
	"testing"

	"gatehouse/adapters/totp"
	"gatehouse/ports/outbound/outboundtest"
)

func TestCodes(t *testing.T) { outboundtest.TOTP(t, totp.Codes{}) }
