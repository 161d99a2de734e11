package qr_test

import (
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	reader "github.com/makiuchi-d/gozxing/qrcode"

	"gatehouse/adapters/qr"
	"gatehouse/domain/factor"
	"gatehouse/domain/secret"
)

// scan reads a PNG as a camera would.
func scan(t *testing.T, picture secret.Text) string {
	t.Helper()
	img, err := png.Decode(strings.NewReader(picture.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	for x := range img.Bounds().Dx() {
		for y := range 16 {
			if r, g, b, _ := img.At(x, y).RGBA(); color.RGBAModel.Convert(img.At(x, y)) != (color.RGBA{255, 255, 255, 255}) {
				t.Fatalf("the quiet zone is %d %d %d at %d, %d", r, g, b, x, y)
			}
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	read, err := reader.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatal(err)
	}
	return read.GetText()
}

func TestACameraReadsWhatWasDrawn(t *testing.T) {
	const key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for _, text := range []string{
		factor.KeyURI("Gatehouse", "ada@example.com", secret.New(key)).Reveal(),
		factor.KeyURI("Tür & Tor", strings.Repeat("ä", 60)+"@"+strings.Repeat("example.", 20)+"com", secret.New(key)).Reveal(),
		"1",
	} {
		picture, err := qr.Coder{}.QRCode(secret.New(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := scan(t, picture); got != text {
			t.Errorf("read %q, drawn %q", got, text)
		}
	}
}

func TestWhatHasNoRoomIsRefusedWithoutBeingQuoted(t *testing.T) {
	long := strings.Repeat("very long ", 1000)
	picture, err := qr.Coder{}.QRCode(secret.New(long))
	if err == nil || !picture.Missing() || strings.Contains(err.Error(), "very long") {
		t.Errorf("%v, %v", picture.Missing(), err)
	}
}
