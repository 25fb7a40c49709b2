package auth

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/serve/web"
	"github.com/berth-registry/berth/internal/session"
)

const (
	cookieName  = "sid"
	quietHeader = "X-Harbor-No-Session-Renewal" // of requests that a page makes by itself

	// maxCookies is how many cookies of our name are looked at. Sites of the same
	// domain, and other servers of the same host, may set some.
	maxCookies = 4
)

// Protect is Identify for what browsers ask for. It also knows those who have
// signed in, by their cookie, where a request has no credentials of its own, and
// refuses changes that other sites' pages have a browser make, whoever is signed
// in there, and by whatever means. A cookie of no session is nobody's, and taken
// away.
func (g *Guard) Protect(next http.Handler) http.Handler {
	return protected(identified(g.visitor, next))
}

// visitor returns who makes a request, by its credentials or its session.
func (g *Guard) visitor(w http.ResponseWriter, r *http.Request) (access.Caller, error) {
	if authorized(r) || len(r.CookiesNamed(cookieName)) == 0 {
		return g.caller(w, r)
	}
	s, caller, err := g.session(r)
	if errors.Is(err, session.ErrOver) {
		setCookie(w, r, "")
		return g.at(r, access.Caller{}), nil
	}
	if err != nil {
		return access.Caller{}, err
	}
	w.Header().Set(proofHeader, s.Proof())
	if err := meant(r, s); err != nil {
		return access.Caller{}, err
	}
	if r.Header.Get(quietHeader) == "" {
		if err := g.sessions.Renew(r.Context(), s); err != nil {
			return access.Caller{}, err
		}
	}
	return caller, nil
}

// session returns the session of a request and its holder as they are now, or
// session.ErrOver. Two at once are none: a site of the same domain may have set
// one of them, so that our user does things in somebody else's name.
func (g *Guard) session(r *http.Request) (session.Session, access.Caller, error) {
	var found session.Session
	cookies := r.CookiesNamed(cookieName)
	if len(cookies) > maxCookies {
		return found, access.Caller{}, session.ErrOver
	}
	for _, c := range cookies {
		s, err := g.sessions.Find(r.Context(), secret.New(c.Value))
		switch {
		case errors.Is(err, session.ErrOver):
		case err != nil:
			return found, access.Caller{}, err
		case found.Account != 0 && !found.Token.Equal(s.Token):
			return found, access.Caller{}, session.ErrOver
		default:
			found = s
		}
	}
	if found.Account == 0 {
		return found, access.Caller{}, session.ErrOver
	}
	holder, err := g.identity.ByPrincipal(r.Context(), access.Caller{Kind: access.User, ID: found.Account}.Principal())
	if refusal(err) != nil {
		return found, access.Caller{}, session.ErrOver
	}
	if err != nil {
		return found, access.Caller{}, fmt.Errorf("finding out who holds a session: %w", err)
	}
	return found, g.at(r, holder), nil
}

// setCookie has the browser keep a token until it is closed, or none if that is
// empty. The cookie is for this host alone, out of the reach of scripts, and not
// sent along with what other sites' pages ask for, unless that is to go here.
func setCookie(w http.ResponseWriter, r *http.Request, token string) {
	c := http.Cookie{
		Name: cookieName, Value: token, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: web.External(r).Scheme == "https",
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, &c)
}
