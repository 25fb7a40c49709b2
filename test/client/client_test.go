//go:build e2e

package client

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to let a robot expire, for which the API has no call

	"github.com/berth-registry/berth/test/berth"
)

// A client is a program, and how it is asked for what all of them can do. Each
// function returns what the program printed.
type client struct {
	name   string
	start  func(t *testing.T, sh *shell) // what the client needs to run, or nil
	login  func(sh *shell, user, secret string) (string, error)
	logout func(sh *shell) (string, error)
	// push makes something and pushes it, pull fetches it into an empty place.
	// Both say what it was, in a form that is the same for both.
	push, pull func(sh *shell, r reference) (identity string, err error)
	says       words
	// more is what not all clients can do, done by a robot with all rights.
	more func(t *testing.T, w *world, sh *shell)
}

// words are what a person reads in each case; where a client has no sign-in of
// its own, what is read at the first use.
type words struct{ wrongPassword, noPull, noPush, readOnly, expired, disabled *regexp.Regexp }

// What the server says, where a client passes it on.
var (
	badPassword = regexp.MustCompile("(?i)unauthorized: .*password")
	hasExpired  = regexp.MustCompile("(?i)unauthorized: .*expired")
	isDisabled  = regexp.MustCompile("(?i)unauthorized: .*disabled")
	mayNotPull  = regexp.MustCompile(`unauthorized to access repository: team/\S+, action: pull`)
	mayNotPush  = regexp.MustCompile(`unauthorized to access repository: team/\S+, action: push`)
)

// A reference names something in the private project.
type reference struct{ host, repo, tag string }

func (r reference) String() string { return r.host + "/" + r.repo + ":" + r.tag }

// TestClients has each client sign in, push and pull, and be refused.
func TestClients(t *testing.T) {
	w := newWorld(t)
	for _, c := range []client{crane(), regctl(), oras(), helm(), skopeo(), buildah(), podman(), docker()} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			sh := newShell(ctx, t, w)
			if c.start != nil {
				c.start(t, sh)
			}
			r := reference{w.server.Host, project + "/" + c.name, "1.0.0"}
			t.Run("pushes and pulls", func(t *testing.T) { pushAndPull(t, w, c, sh.with(t), r) })
			if t.Failed() {
				return
			}
			t.Run("is refused", func(t *testing.T) { refusals(t, w, c, sh.with(t), r) })
			if c.more != nil {
				t.Run("and more", func(t *testing.T) {
					sh := sh.as(t, "more")
					must(t)(c.login(sh, w.robot.Name, w.robot.Secret))
					c.more(t, w, sh)
				})
			}
		})
	}
}

func pushAndPull(t *testing.T, w *world, c client, sh *shell, r reference) {
	sh = sh.as(t, "member")
	must(t)(c.login(sh, w.member(c), password))
	pushed := must(t)(c.push(sh, r))
	pulled := must(t)(c.pull(sh, r))
	if pushed == "" || pushed != pulled {
		t.Errorf("pushed %q and pulled %q", pushed, pulled)
	}
	must(t)(c.logout(sh))
	wantRefusal(t, "without signing in", c.says.noPull)(c.pull(sh, r))
}

func refusals(t *testing.T, w *world, c client, sh *shell, r reference) {
	reader := sh.as(t, "reader")
	must(t)(c.login(reader, w.reader.Name, w.reader.Secret))
	must(t)(c.pull(reader, r))
	wantRefusal(t, "a robot that may only read", c.says.readOnly)(c.push(reader, r))

	stranger := sh.as(t, "stranger")
	must(t)(c.login(stranger, w.stranger, password))
	wantRefusal(t, "no rights, pulling", c.says.noPull)(c.pull(stranger, r))
	wantRefusal(t, "no rights, pushing", c.says.noPush)(c.push(stranger, r))

	signIn := func(sh *shell, user, secret string) (string, error) {
		if out, err := c.login(sh, user, secret); err != nil {
			return out, err
		}
		return c.pull(sh, r)
	}
	wantRefusal(t, "an expired robot", c.says.expired)(signIn(sh.as(t, "expired"), w.expired.Name, w.expired.Secret))
	wantRefusal(t, "a robot switched off", c.says.disabled)(signIn(sh.as(t, "disabled"), w.disabled.Name, w.disabled.Secret))
	wantRefusal(t, "a wrong password", c.says.wrongPassword)(signIn(sh.as(t, "wrong"), w.member(c), "Not-the-password-1"))
	time.Sleep(lock)
}

// lock is a little more than how long a name is refused after a wrong password.
const lock = 1600 * time.Millisecond

// must ends the test where a command failed.
func must(t *testing.T) func(string, error) string {
	return func(out string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
}

// wantRefusal wants a command to fail, and its words to tell people why.
func wantRefusal(t *testing.T, when string, says *regexp.Regexp) func(string, error) {
	return func(out string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: it was not refused: %s", when, out)
			return
		}
		if !says.MatchString(out) {
			t.Errorf("%s: it says\n%s\nwhich does not match %q", when, out, says)
			return
		}
		t.Logf("%s: %s", when, out)
	}
}

const (
	project  = "team"
	password = "Right-password-1"
)

// A world is a server and its people. Each client has a user of its own, so
// that one that is locked out does not disturb the others.
type world struct {
	server                           *berth.Server
	members                          map[string]bool
	stranger                         string
	robot, reader, expired, disabled berth.Robot
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{server: berth.Run(t, berth.Options{}), stranger: "stranger", members: map[string]bool{}}
	ctx, admin := t.Context(), w.server.Admin()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(admin.CreateProject(ctx, project, false))
	_, err := admin.CreateUser(ctx, w.stranger, password)
	check(err)
	w.robot, err = admin.CreateRobot(ctx, project, "robot", "pull", "push", "delete")
	check(err)
	w.reader, err = admin.CreateRobot(ctx, project, "reader", "pull")
	check(err)
	w.expired, err = admin.CreateRobot(ctx, project, "expired", "pull", "push")
	check(err)
	w.disabled, err = admin.CreateRobot(ctx, project, "disabled", "pull", "push")
	check(err)
	check(admin.DisableRobot(ctx, w.disabled.ID))
	check(w.expire(w.expired.ID))
	return w
}

// member is the user of a client, who is made when first asked for.
func (w *world) member(c client) string {
	if !w.members[c.name] {
		w.members[c.name] = true
		ctx, admin := context.Background(), w.server.Admin()
		_, err := admin.CreateUser(ctx, c.name, password)
		if err == nil {
			err = admin.AddMember(ctx, project, c.name, berth.Maintainer)
		}
		if err != nil {
			panic(err)
		}
	}
	return c.name
}

// expire lets a robot's time be over, which the API cannot: it counts in days.
func (w *world) expire(robot int64) error {
	if err := w.server.Stop(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", filepath.Join(w.server.Dir, "berth.db"))
	if err != nil {
		return err
	}
	past := time.Now().Add(-time.Hour).UnixMicro()
	if _, err := db.Exec("UPDATE robot SET expires = ? WHERE id = ?", past, robot); err != nil {
		return fmt.Errorf("expire a robot: %w", err)
	}
	if err := db.Close(); err != nil {
		return err
	}
	return w.server.Start()
}
