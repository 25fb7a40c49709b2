// Package session remembers who has signed in, so that a browser need not send a
// password with each request. It promises that nothing kept here lets anybody
// in: of the text that names a session, only its hash is stored. It promises too
// that a session ends on all nodes at once: by signing out, with its account,
// when the password changes, and after some time without use. Cookies are
// serve/auth's, and what the holder may do is asked anew for each request.
package session

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/secret"
)

// ErrOver is returned for a session that has ended or expired, or never was.
var ErrOver = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "the session is over")

const (
	tokenBytes  = 32
	expireBatch = 500
)

// A Session is somebody who has signed in.
type Session struct {
	Token   secret.Text // which its holder sends
	Account int64
	Expires time.Time // unless it is used
}

// A Row is a session as it is kept.
type Row struct {
	Hash    string // of the token
	Account int64
	Began   int64 // what Mark said before the password was looked at
	Expires time.Time
}

// A Store keeps sessions. Each method is one transaction.
type Store interface {
	// Mark returns a number that each change of an account raises. Whoever reads
	// it sees, afterwards, all that was changed under it.
	Mark(ctx context.Context) (int64, error)
	// Create keeps a session, or returns ErrOver where Find would not find it:
	// its account has gone, or has a new password, since it began.
	Create(ctx context.Context, r Row) error
	// Find returns the session of a hash, if it has not expired by then and its
	// account lets it live; or ErrOver.
	Find(ctx context.Context, hash string, now time.Time) (Row, error)
	// Renew moves the end of a session, unless another has moved it meanwhile.
	Renew(ctx context.Context, r Row, expires time.Time) error
	// End forgets a session, and reports whether there was one.
	End(ctx context.Context, hash string) (bool, error)
	// Expire forgets up to n sessions that have expired by then, and says how
	// many it forgot.
	Expire(ctx context.Context, now time.Time, n int) (int64, error)
}

// Timeout returns how long a session lives that is not used.
type Timeout func(context.Context) (time.Duration, error)

// A Service is what the rest of the program asks about sessions. It is safe for
// concurrent use.
type Service struct {
	store   Store
	timeout Timeout
	now     func() time.Time
}

// New returns a service. now is its clock; nil is the machine's.
func New(store Store, timeout Timeout, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{store, timeout, now}
}

// Mark returns what Begin must be told, and is called before the password is
// looked at. So whoever signs in with a password while it is changed has no
// session of the old one afterwards, whichever is faster.
func (s *Service) Mark(ctx context.Context) (int64, error) { return s.store.Mark(ctx) }

// Begin starts a session of an account, with a token of its own. It returns
// ErrOver where the account is gone, or has another password than at the mark.
func (s *Service) Begin(ctx context.Context, account, mark int64) (Session, error) {
	timeout, err := s.timeout(ctx)
	if err != nil {
		return Session{}, err
	}
	raw := make([]byte, tokenBytes)
	_, _ = rand.Read(raw) // never fails
	token := base64.RawURLEncoding.EncodeToString(raw)
	began := Session{Token: secret.New(token), Account: account, Expires: s.now().Add(timeout)}
	if err := s.store.Create(ctx, Row{hash(token), account, mark, began.Expires}); err != nil {
		return Session{}, fmt.Errorf("beginning a session: %w", err)
	}
	return began, nil
}

// Find returns the session of a token, whatever that is, or ErrOver. It asks the
// database each time, so that what ended elsewhere has ended here.
func (s *Service) Find(ctx context.Context, token secret.Text) (Session, error) {
	text := token.Reveal()
	if !isToken(text) {
		return Session{}, ErrOver
	}
	r, err := s.store.Find(ctx, hash(text), s.now())
	if err != nil {
		return Session{}, fmt.Errorf("finding a session: %w", err)
	}
	return Session{token, r.Account, r.Expires}, nil
}

// Renew lets a session that was found live on from now, as one that is used. It
// writes only where that makes a difference of a minute, or of a tenth of the
// timeout.
func (s *Service) Renew(ctx context.Context, found Session) error {
	timeout, err := s.timeout(ctx)
	if err != nil {
		return err
	}
	expires := s.now().Add(timeout)
	// The timeout may be shorter than it was when the session was renewed last.
	if gained := expires.Sub(found.Expires); gained >= 0 && gained < min(time.Minute, timeout/10) {
		return nil
	}
	r := Row{Hash: hash(found.Token.Reveal()), Account: found.Account, Expires: found.Expires}
	if err := s.store.Renew(ctx, r, expires); err != nil {
		return fmt.Errorf("renewing a session: %w", err)
	}
	return nil
}

// End ends the session of a token, and reports whether there was one.
func (s *Service) End(ctx context.Context, token secret.Text) (bool, error) {
	text := token.Reveal()
	if !isToken(text) {
		return false, nil
	}
	ended, err := s.store.End(ctx, hash(text))
	if err != nil {
		return false, fmt.Errorf("ending a session: %w", err)
	}
	return ended, nil
}

// Expire forgets the sessions that have expired, a batch after the other.
func (s *Service) Expire(ctx context.Context) error {
	for {
		n, err := s.store.Expire(ctx, s.now(), expireBatch)
		if err != nil || n < expireBatch {
			return err
		}
	}
}

// Proof returns a text that only those know who see the session's answers, and
// that tells nothing of its token. Pages of other sites make browsers send the
// token, but cannot read it or this.
func (s Session) Proof() string {
	mac := hmac.New(sha256.New, []byte(s.Token.Reveal()))
	mac.Write([]byte("berth session proof"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Proves reports whether a text is the session's Proof.
func (s Session) Proves(given string) bool { return hmac.Equal([]byte(s.Proof()), []byte(given)) }

// isToken reports whether a text has the form of a token. What else comes as one
// is nobody's, and not worth a question.
func isToken(text string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == tokenBytes
}

// hash is what is kept of a token. Tokens are random, so that no salt and no
// slow hash is needed.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
