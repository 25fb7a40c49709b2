package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/identity"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/serve/web"
	"github.com/berth-registry/berth/internal/session"
)

var (
	errForm         = fault.New(fault.Invalid, "BAD_REQUEST", "the body must be a form (application/x-www-form-urlencoded)")
	errNoUser       = fault.New(fault.Denied, "FORBIDDEN", "only users sign in; a robot sends its name and secret with each request, by basic authentication")
	errRegistration = fault.New(fault.Precondition, "PRECONDITION", "people do not create accounts of their own here")
)

// maxForm is the most that the body of a form may hold, in bytes.
const maxForm = 16 << 10

// How often a network may ask which users there are: as people do who look for a
// name of their own.
const (
	askMost     = 60
	askInterval = 10 * time.Second
)

// Sessions returns the handler of everything below /c/, where people sign in and
// out. It reads credentials itself.
func (g *Guard) Sessions() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /c/login", web.Handle(g.login))
	mux.Handle("GET /c/log_out", web.Handle(g.logOut))
	mux.Handle("POST /c/userExists", identified(g.visitor, web.Handle(g.userExists)))
	routes := protected(web.Routes(mux))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		routes.ServeHTTP(w, r)
	})
}

// login begins a session, with a new token whatever the client sent, and ends
// the one that it had.
func (g *Guard) login(w http.ResponseWriter, r *http.Request) error {
	web.SetOperation(r, "login")
	form, err := readForm(w, r, "principal", "password")
	if err != nil {
		return err
	}
	mark, err := g.sessions.Mark(r.Context()) // before the password is looked at
	if err != nil {
		return err
	}
	caller, err := g.bySecret(w, r, "", form.Get("principal"), secret.New(form.Get("password")))
	if err != nil {
		return err
	}
	s, err := g.begin(r, caller, mark)
	if err != nil {
		return err
	}
	old := r.CookiesNamed(cookieName)
	for _, c := range old[:min(len(old), maxCookies)] {
		if _, err := g.sessions.End(r.Context(), secret.New(c.Value)); err != nil {
			return err
		}
	}
	setCookie(w, r, s.Token.Reveal())
	w.Header().Set(proofHeader, s.Proof())
	return nil
}

// begin starts a session of a caller whose password was right, and records that.
// Nobody has its token before the record is made.
func (g *Guard) begin(r *http.Request, c access.Caller, mark int64) (s session.Session, err error) {
	fact := event.LoggedIn{Name: c.Name, Granted: true}
	var refused *fault.Fault
	if c.Kind != access.User {
		refused = errNoUser
	} else if s, err = g.sessions.Begin(r.Context(), c.ID, mark); errors.Is(err, session.ErrOver) {
		// The password was changed, or the account deleted, this very moment.
		refused = identity.ErrRefused
	} else if err != nil {
		return s, err
	}
	if refused != nil {
		fact.Granted, fact.Reason = false, refused.Message
	}
	if err := g.record(r, c.Actor(), fact); err != nil {
		return s, err
	}
	if refused != nil {
		return s, refused
	}
	return s, nil
}

// logOut ends the session of a request. Since it is a GET, for which browsers
// say little, other sites' pages are kept from it by what they cannot send.
func (g *Guard) logOut(w http.ResponseWriter, r *http.Request) error {
	web.SetOperation(r, "log_out")
	s, caller, err := g.session(r)
	if errors.Is(err, session.ErrOver) {
		if len(r.CookiesNamed(cookieName)) > 0 {
			setCookie(w, r, "")
		}
		return nil
	}
	if err != nil {
		return err
	}
	if !ownPage(r) && !s.Proves(r.Header.Get(proofHeader)) {
		w.Header().Set(proofHeader, s.Proof())
		return errProof
	}
	ended, err := g.sessions.End(r.Context(), s.Token)
	if err != nil {
		return err
	}
	if ended {
		if err := g.record(r, caller.Actor(), event.LoggedOut{Name: caller.Name}); err != nil {
			return err
		}
	}
	setCookie(w, r, "")
	return nil
}

// userExists tells those who look for a name whether it is taken.
func (g *Guard) userExists(w http.ResponseWriter, r *http.Request) error {
	web.SetOperation(r, "user_exists")
	if err := g.mayAsk(r); err != nil {
		return err
	}
	form, err := readForm(w, r, "target", "value")
	if err != nil {
		return err
	}
	target, value := form.Get("target"), form.Get("value")
	if target != "username" && target != "email" {
		return errForm.Saying("target must be username or email")
	}
	u, err := g.accounts.ByName(r.Context(), value)
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return err
	}
	exists := err == nil && (target == "username" && u.Name == value || target == "email" && u.Email == value)
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(exists)
}

func (g *Guard) mayAsk(r *http.Request) error {
	c := access.From(r.Context())
	if c.Admin {
		return nil
	}
	v, err := g.settings(r.Context())
	if err != nil {
		return err
	}
	if !v.Registration() {
		return errRegistration
	}
	return g.asked.Take(c.Address, askMost, askInterval)
}

// readForm reads the form in a request's body, which must have the fields.
func readForm(w http.ResponseWriter, r *http.Request, fields ...string) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, err
		}
		return nil, errForm // and not the error, which may repeat a part of a password
	}
	for _, f := range fields {
		if !r.PostForm.Has(f) {
			return nil, errForm.With("there is no %s", f)
		}
	}
	return r.PostForm, nil
}
