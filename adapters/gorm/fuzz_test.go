package gorm

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/ports/outbound"
)

// openVault opens everything to itself.
type openVault struct{ outbound.Vault }

func (openVault) Shared() outbound.DataKey { return outbound.DataKey{} }

func (openVault) Open(_ outbound.DataKey, _ outbound.Field, sealed []byte) ([]byte, error) {
	return sealed, nil
}

// Whatever a payload opens to, an older version's or nobody's, becomes a notice
// that can be written and read again as the same one, or a failure that quotes
// none of it.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{
		`{"to":"ada@example.com","name":"Ada","token":"x","valid":1,"browser":"b","os":"o","address":"192.0.2.1","location":{"City":"c"}}`,
		`{"to":"Ada@Example.com"}`, `{"to":"a@b.example","token":""}`, `{"to":"a@b.example","address":"::ffff:192.0.2.1"}`, `{"to":"a@b.example","valid":1e400}`,
		`{"to":"nobody"}`, `{"to":"a@b.example","name":"\ud800"}`, `{"TO":"a@b.example","token":null}`, `null`, `[]`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	s := &safe{vault: openVault{}}
	open := func(payload []byte) (notice.Notice, error) {
		return s.notice(noticeRow{ID: "n1", Kind: string(notice.EmailVerification), Payload: payload}, nil)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		n, err := open(payload)
		if err != nil {
			if fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
				t.Errorf("failed with %v", err)
			}
			if len(payload) > 40 && strings.Contains(err.Error(), string(payload)) {
				t.Errorf("%v quotes what was opened", err)
			}
			return
		}
		written, err := json.Marshal(payloadOf(n))
		if err != nil {
			t.Fatal(err)
		}
		again, err := open(written)
		if err != nil || !reflect.DeepEqual(again, n) {
			t.Errorf("%s was written as %s, which failed: %v", payload, written, err)
		}
	})
}
