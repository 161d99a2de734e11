package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	telemetryadapter "gatehouse/adapters/telemetry"
	appaccount "gatehouse/application/account"
	appadministration "gatehouse/application/administration"
	appoperations "gatehouse/application/operations"
	apptrail "gatehouse/application/trail"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

type userCmd struct {
	Create   userCreateCmd   `cmd:"" help:"Create a user with a verified address, and print the id."`
	List     userListCmd     `cmd:"" help:"List all users."`
	Disable  userDisableCmd  `cmd:"" help:"Shut an account and end its sessions."`
	SetAdmin userSetAdminCmd `cmd:"" help:"Make a user an admin."`
	Export   userExportCmd   `cmd:"" help:"Write all users to an encrypted file, with what they sign in by."`
	Import   userImportCmd   `cmd:"" help:"Create the users in a file, with the password hashes of this or another system."`
}

type userCreateCmd struct {
	Email         string `required:"" help:"Address of the user."`
	Name          string `required:"" help:"Name of the user."`
	Admin         bool   `help:"Make the user an admin."`
	PasswordStdin bool   `help:"Read the password from standard input instead of asking at the terminal."`
}

// Run implements the command.
func (c userCreateCmd) Run(ctx context.Context, p *process) error {
	return p.operate(ctx, func(f *foundation) error {
		secret, err := p.password(c.PasswordStdin)
		if err != nil {
			return err
		}
		hasher, err := newHasher(f.cfg)
		if err != nil {
			return err
		}
		known, err := newBreaches(f.cfg)
		if err != nil {
			return err
		}
		defer func() { _ = known.close() }() // it was only read
		create := f.userCreator(hasher, f.leaks(known, f.around().watch))
		who, err := command(f.around(), create).Do(ctx, inbound.CreateUser{Email: c.Email, Name: c.Name, Password: secret, Admin: c.Admin})
		return p.tell(who, err)
	})
}

type userListCmd struct {
	JSON bool `help:"Print one JSON array."`
}

// page is how many users are read at once.
const page = 500

// Run implements the command.
func (c userListCmd) Run(ctx context.Context, p *process) error {
	return p.operate(ctx, func(f *foundation) error {
		users := []listedUser{}
		list, after := query(f.around(), appoperations.NewUserLister(appoperations.UserListerDeps{Work: f.work})), principal.ID("")
		for {
			some, err := list.Do(ctx, inbound.ListUsers{After: after, Limit: page})
			if err != nil {
				return err
			}
			for _, u := range some {
				users = append(users, listed(u))
			}
			if len(some) < page {
				return c.print(p.out, users)
			}
			after = some[len(some)-1].ID()
		}
	})
}

// listedUser is a user in a list.
type listedUser struct {
	ID        principal.ID `json:"id"`
	Email     string       `json:"email"`
	Name      string       `json:"name"`
	Verified  bool         `json:"emailVerified"`
	Admin     bool         `json:"admin"`
	Disabled  bool         `json:"disabled"`
	CreatedAt time.Time    `json:"createdAt"`
}

func listed(u *principal.Principal) listedUser {
	s := u.Snapshot()
	return listedUser{s.ID, s.Email.Typed(), s.Name, s.EmailVerified, s.Admin, s.Disabled, s.CreatedAt.UTC()}
}

func (c userListCmd) print(out io.Writer, users []listedUser) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(users)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tEMAIL\tNAME\tSTATE")
	for _, u := range users {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", u.ID, u.Email, u.Name, u.state())
	}
	return w.Flush()
}

func (u listedUser) state() string {
	var words []string
	for _, w := range []struct {
		word string
		is   bool
	}{{"admin", u.Admin}, {"disabled", u.Disabled}, {"unverified", !u.Verified}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	return cmp.Or(strings.Join(words, ","), "-")
}

type userDisableCmd struct {
	User string `arg:"" help:"Id or address."`
}

// Run implements the command.
func (c userDisableCmd) Run(ctx context.Context, p *process) error {
	return p.operate(ctx, func(f *foundation) error {
		disable := command(f.around(), appoperations.NewUserDisabler(appoperations.UserDisablerDeps{Accounts: f.accounts()}))
		who, err := disable.Do(ctx, inbound.DisableUser{User: c.User})
		return p.tell(who, err)
	})
}

type userSetAdminCmd struct {
	User   string `arg:"" help:"Id or address."`
	Revoke bool   `help:"Take the role instead."`
}

// Run implements the command.
func (c userSetAdminCmd) Run(ctx context.Context, p *process) error {
	return p.operate(ctx, func(f *foundation) error {
		who, err := command(f.around(), f.adminSetter()).Do(ctx, inbound.SetAdmin{User: c.User, Admin: !c.Revoke})
		return p.tell(who, err)
	})
}

type sessionsCmd struct {
	EndAll sessionsEndAllCmd `cmd:"" help:"End every session of everybody, after a restore or a leak."`
}

type sessionsEndAllCmd struct {
	Yes bool `help:"Really do it."`
}

// Run implements the command.
func (c sessionsEndAllCmd) Run(ctx context.Context, p *process) error {
	if !c.Yes {
		return errNotSure
	}
	return p.operate(ctx, func(f *foundation) error {
		end := command(f.around(), appoperations.NewSessionsEnder(appoperations.SessionsEnderDeps{
			Work: f.patient(), Revocations: f.shared.marks, Now: now,
		}))
		n, err := end.Do(ctx, inbound.EndEverySession{})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "%d sessions ended\n", n)
		return err
	})
}

// tell prints whom a command was about.
func (p *process) tell(who inbound.Self, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, who.ID())
	return err
}

// operate lays the foundation for as long as do takes, and tells its refusals
// in words.
func (p *process) operate(ctx context.Context, do func(*foundation) error) (err error) {
	cfg, err := p.settings()
	if err != nil {
		return err
	}
	f, err := lay(ctx, cfg, p.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return inWords(do(f))
}

// inWords names the rules that were broken: what was typed was wrong usage.
func inWords(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.InvalidRequest {
		return err
	}
	broken := make([]string, 0, len(f.Broken()))
	for _, v := range f.Broken() {
		broken = append(broken, v.Field+" breaks "+string(v.Rule))
	}
	return usageError{errors.New(strings.Join(broken, ", "))}
}

// around is what goes around use cases while nothing is served: they are
// recorded as those of the API are, and none is answered before.
func (f *foundation) around() around {
	lines := telemetryadapter.Log{To: f.log, Now: now}
	all := apptrail.Logs(lines, f.journal.AtOnce())
	return around{watch: lines, audit: all, grave: all, usual: all}
}

func (f *foundation) userCreator(hasher outbound.Hasher, leaks appaccount.Leaks) *appoperations.UserCreator {
	return appoperations.NewUserCreator(appoperations.UserCreatorDeps{
		Work: f.work, Hasher: hasher, Policy: f.cfg.passwordPolicy(), Leaks: leaks,
		Mailed: f.cfg.TwoFactor.EmailForNew, Now: now, NewID: newID,
	})
}

func (f *foundation) adminSetter() *appoperations.AdminSetter {
	return appoperations.NewAdminSetter(appoperations.AdminSetterDeps{Accounts: f.accounts()})
}

func (f *foundation) accounts() *appadministration.Changer {
	return appadministration.NewChanger(appadministration.ChangerDeps{Work: f.work, Revocations: f.shared.marks, Now: now})
}

// password asks for a password, which must never be an argument: those are seen
// by every user of the machine.
func (p *process) password(fromStdin bool) (none password.Plain, _ error) {
	if fromStdin {
		line, err := bufio.NewReader(io.LimitReader(p.in, 64<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return none, fmt.Errorf("read password: %w", err)
		}
		return password.NewPlain(strings.TrimRight(line, "\r\n")), nil
	}
	f, ok := p.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return none, usageError{errors.New("there is no terminal to ask for the password: say --password-stdin")}
	}
	once, err := p.ask(f, "Password: ")
	if err != nil {
		return none, err
	}
	twice, err := p.ask(f, "Again: ")
	if err != nil {
		return none, err
	}
	if !once.Equal(twice) {
		return none, usageError{errors.New("the passwords differ")}
	}
	return once, nil
}

func (p *process) ask(f *os.File, prompt string) (none password.Plain, _ error) {
	fmt.Fprint(p.err, prompt)
	typed, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(p.err)
	if err != nil {
		return none, fmt.Errorf("read password: %w", err)
	}
	return password.NewPlain(string(typed)), nil
}
