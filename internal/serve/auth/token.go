package auth

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/serve/web"
	"github.com/berth-registry/berth/internal/token"
)

// answer is the token service's, as the registry token protocol has it. Clients
// differ in which of the two names of the token they read.
type answer struct {
	Token       string `json:"token"`
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
	IssuedAt    string `json:"issued_at"`  // RFC 3339
}

// Token returns the handler of GET /service/token. It reads the credentials
// itself: Identify does not stand before it. Its parameters are service and
// scope; account, client_id and offline_token are not looked at.
//
// Without scope it is a sign-in, as of docker login, which needs credentials.
// Nobody can have a token too, for what is public.
func (g *Guard) Token() http.Handler { return web.Handle(g.token) }

func (g *Guard) token(w http.ResponseWriter, r *http.Request) error {
	web.SetOperation(r, "token")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet {
		// Clients that try the OAuth 2 form first go on to GET after a 405.
		w.Header().Set("Allow", http.MethodGet)
		return web.ErrMethod
	}
	caller, err := g.caller(w, r)
	if err != nil {
		return err
	}
	params := r.URL.Query()
	service := params.Get("service")
	if !g.tokens.Serves(service) {
		return token.ErrService.With("%.100q", service)
	}
	asked, err := token.ParseScopes(params["scope"])
	if err != nil {
		return err
	}
	if len(asked) == 0 {
		if err := g.signIn(w, r, caller); err != nil {
			return err
		}
	}
	granted, err := g.tokens.Grant(r.Context(), caller, asked)
	if err != nil {
		return err
	}
	issued, err := g.tokens.Issue(r.Context(), caller, service, granted)
	if err != nil {
		return err
	}
	return write(w, issued)
}

// signIn records that a caller signed in, who must be somebody.
func (g *Guard) signIn(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	if c.Anonymous() {
		w.Header().Set("WWW-Authenticate", web.BasicChallenge)
		return access.ErrUnauthenticated
	}
	return g.record(r, c.Actor(), event.LoggedIn{Name: c.Name, Granted: true})
}

func write(w http.ResponseWriter, t token.Issued) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(answer{
		Token:       t.Token,
		AccessToken: t.Token,
		ExpiresIn:   int64(t.Life / time.Second),
		IssuedAt:    t.At.Format(time.RFC3339),
	})
}
