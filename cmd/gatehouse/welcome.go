package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// welcome shows whoever starts for the first time where everything is, and a
// walk to copy.
func welcome(w io.Writer, base, internal string, mailbox bool) {
	fmt.Fprintf(w, `
Gatehouse is ready. This is shown at the first start only.

  API        %[1]s
  Reference  %[1]s/dev/api
  Health     http://%[2]s/readyz, metrics at /metrics
`, base, internal)
	if mailbox {
		fmt.Fprintf(w, "  Mailbox    %s/dev/mailbox\n", base)
	}
	fmt.Fprintf(w, `
Try it:

  api=%s
  call() { curl -sS -b jar -c jar -H 'Content-Type: application/json' "$@"; echo; }
  call $api/api/auth/register -d '{"email":"ada@example.com","name":"Ada","password":"sample-Passphrase-4-reading"}'
  call $api/api/auth/login    -d '{"email":"ada@example.com","password":"sample-Passphrase-4-reading"}'
  call $api/api/auth/step-up  -d '{"password":"sample-Passphrase-4-reading"}'
  call "$api/api/users/me/password?locale=de" -X PUT -d '{"oldPassword":"sample-Passphrase-4-reading","newPassword":"another-Passphrase-5-writing"}'
`, base)
	if mailbox {
		fmt.Fprint(w, "  call $api/dev/mailbox/messages\n")
	}
	fmt.Fprintln(w)
}
