package portable

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"

	"gatehouse/domain/secret"
)

// workFactor is the logarithm of what a passphrase costs (scrypt): about a
// second, and 256 MiB.
var workFactor = 18

// mostWork is what a passphrase of somebody else's file may cost: a gigabyte.
const mostWork = 20

// Encrypt returns a writer whose content only those can read who have the
// passphrase or, if that is missing, the identity of one of the recipients
// (age1…). Close completes the file: without, it is known to be cut off.
func Encrypt(to io.Writer, passphrase secret.Text, recipients []string) (io.WriteCloser, error) {
	all := make([]age.Recipient, 0, len(recipients))
	if !passphrase.Missing() {
		r, err := age.NewScryptRecipient(passphrase.Reveal())
		if err != nil {
			return nil, err
		}
		r.SetWorkFactor(workFactor)
		all = append(all, r)
	}
	for _, text := range recipients {
		r, err := age.ParseRecipients(bytes.NewReader([]byte(text)))
		if err != nil {
			return nil, errors.New("a recipient must be age1…") // the cause may quote a secret key
		}
		all = append(all, r...)
	}
	if len(all) == 0 {
		return nil, errors.New("there must be a passphrase or a recipient")
	}
	return age.Encrypt(to, all...)
}

// Keys are how an encrypted file is opened.
type Keys struct {
	Identities io.Reader                   // lines of AGE-SECRET-KEY-1…; nil is none
	Passphrase func() (secret.Text, error) // asked for once it is needed
}

const header = "age-encryption.org/v1\n"

// Decrypt returns what is in a file, which may be encrypted, in binary or with
// armor, or not.
func Decrypt(from io.Reader, k Keys) (io.Reader, error) {
	in := bufio.NewReaderSize(from, 64<<10)
	begin, err := in.Peek(len(armor.Header))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var sealed io.Reader = in
	switch {
	case bytes.HasPrefix(begin, []byte(armor.Header)):
		sealed = armor.NewReader(in)
	case !bytes.HasPrefix(begin, []byte(header)):
		return in, nil
	}
	identities := []age.Identity{passphrase{k.Passphrase}}
	if k.Identities != nil {
		if identities, err = age.ParseIdentities(k.Identities); err != nil {
			return nil, errors.New("the file of identities has none, or is broken") // the cause may quote one
		}
	}
	plain, err := age.Decrypt(sealed, identities...)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	return plain, nil
}

// passphrase is an age.Identity that asks for the passphrase when a file has
// one.
type passphrase struct {
	ask func() (secret.Text, error)
}

// Unwrap implements age.Identity.
func (p passphrase) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != "scrypt" {
		return nil, errors.New("the file is for recipients: an identity is needed")
	}
	text, err := p.ask()
	if err != nil {
		return nil, err
	}
	i, err := age.NewScryptIdentity(text.Reveal())
	if err != nil {
		return nil, err
	}
	i.SetMaxWorkFactor(mostWork)
	return i.Unwrap(stanzas)
}
