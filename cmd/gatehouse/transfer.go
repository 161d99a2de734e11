package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	portableadapter "gatehouse/adapters/portable"
	apptransfer "gatehouse/application/transfer"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
)

type userExportCmd struct {
	File            string   `arg:"" help:"Where the users go. It must not exist." type:"path"`
	Recipient       []string `help:"Who can read the file: age1…, as age-keygen prints it. Repeatable." placeholder:"AGE1"`
	PassphraseStdin bool     `help:"Read a passphrase from standard input instead of asking at the terminal."`
}

// Run implements the command.
func (c userExportCmd) Run(ctx context.Context, p *process) error {
	var passphrase secret.Text
	if len(c.Recipient) == 0 {
		var err error
		if passphrase, err = p.newPassphrase(c.PassphraseStdin); err != nil {
			return err
		}
	} else if c.PassphraseStdin {
		return usageError{errors.New("a file is for recipients, or for a passphrase")}
	}
	return p.operate(ctx, func(f *foundation) error {
		n, passkeys, err := c.write(ctx, f, passphrase)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "%d users exported\n", n)
		if passkeys > 0 {
			_, err = fmt.Fprintf(p.out, "%d of them have passkeys, which are not in the file: tell them\n", passkeys)
		}
		return err
	})
}

// write leaves a whole file, or none.
func (c userExportCmd) write(ctx context.Context, f *foundation, passphrase secret.Text) (users, passkeys int, err error) {
	if _, err := os.Lstat(c.File); !errors.Is(err, os.ErrNotExist) {
		return 0, 0, usageError{errors.Join(fmt.Errorf("%s is there already", c.File), err)}
	}
	part, err := os.CreateTemp(filepath.Dir(c.File), ".export-*") // with mode 0600
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, part.Close(), os.Remove(part.Name()))
		}
	}()
	sealed, err := portableadapter.Encrypt(part, passphrase, c.Recipient)
	if err != nil {
		return 0, 0, usageError{err}
	}
	if users, passkeys, err = export(ctx, f, portableadapter.NewWriter(sealed)); err != nil {
		return 0, 0, err
	}
	if err := sealed.Close(); err != nil {
		return 0, 0, err
	}
	if err := part.Sync(); err != nil {
		return 0, 0, err
	}
	if err := os.Link(part.Name(), c.File); err != nil { // unlike a rename, it replaces nothing
		return 0, 0, err
	}
	return users, passkeys, errors.Join(part.Close(), os.Remove(part.Name()))
}

func export(ctx context.Context, f *foundation, to *portableadapter.Writer) (users, passkeys int, err error) {
	do, after := command(f.around(), apptransfer.NewExporter(apptransfer.ExporterDeps{Work: f.work})), principal.ID("")
	for {
		some, err := do.Do(ctx, inbound.ExportUsers{After: after, Limit: page})
		if err != nil {
			return 0, 0, err
		}
		for _, u := range some.Users {
			if err := to.Write(u); err != nil {
				return 0, 0, err
			}
			after = principal.ID(u.ID)
		}
		users, passkeys = users+len(some.Users), passkeys+some.Passkeys
		if len(some.Users) < page {
			return users, passkeys, nil
		}
	}
}

type userImportCmd struct {
	File            string `arg:"" help:"A JSON object for each user, in a line each; encrypted by age or not. - is standard input."`
	DryRun          bool   `help:"Check everything and store nothing."`
	Identity        string `help:"File with the age identity that opens the file." type:"existingfile" placeholder:"FILE"`
	PassphraseStdin bool   `help:"Read the passphrase of the file from standard input instead of asking at the terminal."`
}

// Run implements the command.
func (c userImportCmd) Run(ctx context.Context, p *process) (err error) {
	from := p.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return usageError{err}
		}
		defer func() { _ = f.Close() }() // it was only read
		from = f
	} else if c.PassphraseStdin {
		return usageError{errors.New("standard input cannot be both the file and the passphrase")}
	}
	keys := portableadapter.Keys{Passphrase: func() (secret.Text, error) { return p.passphrase(c.PassphraseStdin, "Passphrase: ") }}
	if c.Identity != "" {
		f, err := os.Open(c.Identity)
		if err != nil {
			return usageError{err}
		}
		defer func() { _ = f.Close() }() // it was only read
		keys.Identities = f
	}
	plain, err := portableadapter.Decrypt(from, keys)
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", c.File, err)}
	}
	return p.operate(ctx, func(f *foundation) error { return c.read(ctx, p, f, portableadapter.NewReader(plain)) })
}

func (c userImportCmd) read(ctx context.Context, p *process, f *foundation, from *portableadapter.Reader) error {
	hasher, err := newHasher(f.cfg)
	if err != nil {
		return err
	}
	i := importing{
		userImportCmd: c, out: p.out, from: from,
		use: command(f.around(), apptransfer.NewImporter(apptransfer.ImporterDeps{Work: f.work, Hashes: hasher, Now: now, NewID: newID})),
	}
	err = i.all(ctx)
	verb := "created"
	if c.DryRun {
		verb = "would be created"
	}
	if _, told := fmt.Fprintf(p.out, "%d users %s, %d are there already, %d lines refused\n", i.created, verb, i.known, i.refused); told != nil {
		return errors.Join(err, told)
	}
	if err == nil && i.refused > 0 {
		return errors.New("some lines were refused: mend them and import the file again")
	}
	return err
}

// importing is an import under way.
type importing struct {
	userImportCmd

	use  inbound.UseCase[inbound.ImportUsers, inbound.Imported]
	from *portableadapter.Reader
	out  io.Writer

	users  []inbound.PortableUser // that wait for being stored
	lines  []int                  // of users
	broken []brokenLine           // that wait for being told

	created, known, refused int
}

type brokenLine struct {
	number int
	why    *fault.Error
}

func (i *importing) all(ctx context.Context) error {
	for {
		u, err := i.from.Next()
		broken, isLine := errors.AsType[*fault.Error](err)
		switch {
		case errors.Is(err, io.EOF):
			return i.store(ctx)
		case isLine:
			i.broken = append(i.broken, brokenLine{i.from.Line(), broken})
		case err != nil:
			return errors.Join(err, i.store(ctx))
		default:
			i.users, i.lines = append(i.users, u), append(i.lines, i.from.Line())
		}
		if len(i.users)+len(i.broken) == page {
			if err := i.store(ctx); err != nil {
				return err
			}
		}
	}
}

func (i *importing) store(ctx context.Context) error {
	got, err := i.use.Do(ctx, inbound.ImportUsers{Users: i.users, DryRun: i.DryRun})
	if err != nil {
		return fmt.Errorf("lines %d to %d: %w", i.lines[0], i.lines[len(i.lines)-1], err)
	}
	i.created, i.known = i.created+got.Created, i.known+got.Known
	for _, r := range got.Refused {
		i.broken = append(i.broken, brokenLine{i.lines[r.Index], r.Why})
	}
	slices.SortFunc(i.broken, func(a, b brokenLine) int { return a.number - b.number })
	for _, l := range i.broken {
		if _, err := fmt.Fprintln(i.out, l); err != nil {
			return err
		}
	}
	i.refused += len(i.broken)
	i.users, i.lines, i.broken = nil, nil, nil
	return nil
}

// String says what is wrong with a line, and nothing of what is in it.
func (l brokenLine) String() string {
	var rules []string
	for _, v := range l.why.Broken() {
		rules = append(rules, v.Field+" breaks "+string(v.Rule))
	}
	return fmt.Sprintf("line %d: %s", l.number, cmp.Or(strings.Join(rules, ", "), string(l.why.Code())))
}

// leastPassphrase is how many characters protect a file that anybody can try
// as often as they like.
const leastPassphrase = 12

func (p *process) newPassphrase(fromStdin bool) (none secret.Text, _ error) {
	once, err := p.passphrase(fromStdin, "Passphrase: ")
	if err != nil {
		return none, usageError{err}
	}
	if utf8.RuneCountInString(once.Reveal()) < leastPassphrase {
		return none, usageError{fmt.Errorf("the passphrase needs %d characters", leastPassphrase)}
	}
	if fromStdin {
		return once, nil
	}
	twice, err := p.passphrase(false, "Again: ")
	if err != nil {
		return none, err
	}
	if !once.Equal(twice) {
		return none, usageError{errors.New("the passphrases differ")}
	}
	return once, nil
}

func (p *process) passphrase(fromStdin bool, prompt string) (none secret.Text, _ error) {
	if fromStdin {
		typed, err := p.password(true)
		return typed.Text, err
	}
	f, isFile := p.in.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return none, errors.New("there is no terminal to ask for the passphrase: say --passphrase-stdin")
	}
	typed, err := p.ask(f, prompt)
	return typed.Text, err
}
