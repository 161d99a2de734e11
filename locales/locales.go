// Package locales carries every sentence Gatehouse says, one go-i18n message
// file per language. It owns the words; finding the right ones is the job of
// adapters/i18n.
//
// Keys are fault codes (the detail of a problem), rule ids below "rule" (the
// message of a broken rule) and texts of mails below "mail": mail.shared for
// what all mails have, mail.<kind>.<part> for the rest. Mails may use the
// placeholders of their English text; subjects have App alone, because it is the
// only one no stranger can choose. Values are put in as they are: whoever needs
// HTML escapes.
package locales

import "embed"

// Files holds active.<BCP 47 tag>.toml. Every file has the same keys.
//
//go:embed active.*.toml
var Files embed.FS
