// Package qr implements outbound.QRCoder with boombuler/barcode: black on
// white, four pixels a module, and the quiet zone that scanners need
// (ISO/IEC 18004 §6.3.8), which the library leaves out.
package qr

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"

	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

var _ outbound.QRCoder = Coder{}

const (
	pixels = 4 // a side of a module
	quiet  = 4 // modules around the symbol
)

// Coder is an [outbound.QRCoder].
type Coder struct{}

// QRCode implements [outbound.QRCoder]. It fails on what no symbol has room
// for: 2331 bytes at this level of correction.
func (Coder) QRCode(text secret.Text) (secret.Text, error) {
	symbol, err := qr.Encode(text.Reveal(), qr.M, qr.Auto)
	if err != nil {
		return secret.Text{}, errors.New("draw a QR code: no symbol has room for the text") // err may quote it
	}
	side := symbol.Bounds().Dx()
	scaled, err := barcode.Scale(symbol, side*pixels, side*pixels)
	if err != nil {
		return secret.Text{}, fmt.Errorf("draw a QR code: %w", err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, framed(scaled)); err != nil {
		return secret.Text{}, fmt.Errorf("draw a QR code: %w", err)
	}
	return secret.New(b.String()), nil
}

// framed returns the symbol with its quiet zone, in two colours.
func framed(symbol image.Image) image.Image {
	side := symbol.Bounds().Dx() + 2*quiet*pixels
	canvas := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	draw.Draw(canvas, symbol.Bounds().Add(image.Pt(quiet*pixels, quiet*pixels)), symbol, symbol.Bounds().Min, draw.Src)
	return canvas
}
