package page_test

import (
	"testing"

	"gatehouse/domain/page"
)

func TestTheLastPageMayBeShort(t *testing.T) {
	for _, tc := range []struct{ total, size, pages int }{{0, 20, 0}, {1, 20, 1}, {20, 20, 1}, {21, 20, 2}, {3, 1, 3}} {
		p := page.Page[int]{Request: page.Request{Size: tc.size}, Total: tc.total}
		if got := p.Pages(); got != tc.pages {
			t.Errorf("%d things have %d pages of %d, want %d", tc.total, got, tc.size, tc.pages)
		}
	}
}

func TestAPageBeginsAfterThoseBefore(t *testing.T) {
	for _, tc := range []struct{ number, size, offset int }{{0, 20, 0}, {1, 20, 20}, {1_000_000, page.Largest, 2_000_000_000}} {
		if got := (page.Request{Number: tc.number, Size: tc.size}).Offset(); got != tc.offset {
			t.Errorf("page %d of %d things begins after %d, want %d", tc.number, tc.size, got, tc.offset)
		}
	}
}
