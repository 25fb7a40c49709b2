package remote

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxError is how many bytes of an error's body are read.
const maxError = 16 << 10

// A request is what a registry is asked.
type request struct {
	method string
	url    string
	scopes []string // of the token that it needs
	// password has the name and the password sent, whatever the registry asked for.
	password bool
	header   http.Header
	body     func() (io.ReadCloser, error) // called for each try; nil: none
	size     int64                         // of the body
	whole    bool                          // statuses from 200 to 299 are no error, any other is
	as       int                           // and the one status that is none, where it is not 0
}

// ask sends a request with what it needs to be allowed, and returns the answer,
// whose body the caller closes. Statuses of failures become faults.
func (r *Registry) ask(ctx context.Context, q request) (*http.Response, error) {
	answer, err := r.send(ctx, q)
	if err != nil {
		return nil, err
	}
	again, err := r.learn(q, answer)
	if again || err != nil {
		drain(answer)
	}
	if err != nil {
		return nil, err
	}
	if again {
		if answer, err = r.send(ctx, q); err != nil {
			return nil, err
		}
	}
	return r.judge(q, answer)
}

// learn has a refusal change how the registry is asked, and reports whether asking
// again makes sense. A token that was lent may be refused as one that allows too
// little (RFC 6750, section 3.1).
func (r *Registry) learn(q request, refused *http.Response) (again bool, err error) {
	if q.password || !r.ours(refused.Request.URL) {
		return false, nil
	}
	switch refused.StatusCode {
	case http.StatusUnauthorized:
		return true, r.auth.learn(refused, q.scopes)
	case http.StatusForbidden:
		return r.auth.forget(refused, q.scopes)
	}
	return false, nil
}

// judge returns an answer of a status that is none of a failure.
func (r *Registry) judge(q request, answer *http.Response) (*http.Response, error) {
	if r.ours(answer.Request.URL) {
		r.note(answer.Header)
	}
	if q.as != 0 && answer.StatusCode == q.as || q.whole && answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer drain(answer)
	return nil, failure(answer, reason(answer))
}

// send sends a request once.
func (r *Registry) send(ctx context.Context, q request) (*http.Response, error) {
	hr, err := http.NewRequestWithContext(ctx, q.method, q.url, nil)
	if err != nil {
		return nil, ErrAnswer.With("it names a URL that is none")
	}
	for name, values := range q.header {
		hr.Header[name] = values
	}
	hr.Header.Set("User-Agent", UserAgent)
	switch {
	case !r.ours(hr.URL):
	case q.password:
		if r.account != "" {
			hr.SetBasicAuth(r.account, r.secret.Reveal())
		}
	default:
		if err := r.auth.authorize(ctx, hr, q.scopes); err != nil {
			return nil, err
		}
	}
	if q.body != nil && q.size > 0 {
		if hr.Body, err = q.body(); err != nil {
			return nil, err
		}
		hr.ContentLength, hr.GetBody = q.size, q.body
	}
	answer, err := r.out.Do(hr, r.skipVerify)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	return answer, nil
}

// ours reports whether a URL is of the server that the credentials are for: of
// its scheme, host and port.
func (r *Registry) ours(u *url.URL) bool {
	return origin(u) == origin(r.base)
}

func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + " " + port
}

func drain(answer *http.Response) {
	_, _ = io.CopyN(io.Discard, answer.Body, maxError) // so that the connection may serve again
	answer.Body.Close()
}

// failure says what an answer's status means, for a reason.
func failure(answer *http.Response, why string) error {
	said := strings.TrimSpace(strconv.Itoa(answer.StatusCode) + " " + why)
	switch code := answer.StatusCode; {
	case code == http.StatusNotFound:
		return ErrNotFound.With("%s", said)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return ErrRefused.With("%s", said)
	case code == http.StatusTooManyRequests:
		f := ErrLimited.With("%s", said)
		if after := retryAfter(answer.Header); after > 0 {
			f = f.Later(after)
		}
		return f
	case code == http.StatusBadRequest:
		return ErrRejected.With("%s", said)
	case code == http.StatusConflict, code == http.StatusPreconditionFailed:
		return ErrConflict.With("%s", said)
	case code == http.StatusMethodNotAllowed:
		return ErrUnsupported.With("%s", said)
	case code >= 500:
		f := ErrUnavailable.With("%s", said)
		if after := retryAfter(answer.Header); after > 0 {
			f = f.Later(after)
		}
		return f
	case code == http.StatusRequestedRangeNotSatisfiable:
		return ErrAnswer.With("%s", said).Because(errRange)
	default:
		return ErrAnswer.With("%s", said)
	}
}

// errRange is why an answer is an error that asks for another part of a body.
var errRange = errors.New("another part is wanted")

// reason returns the first message of an error as the distribution specification
// has it, in short.
func reason(answer *http.Response) string {
	var body struct {
		Errors []struct{ Code, Message string } `json:"errors"`
	}
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxError))
	if json.Unmarshal(text, &body) != nil || len(body.Errors) == 0 {
		return http.StatusText(answer.StatusCode)
	}
	return short(strings.TrimSpace(body.Errors[0].Code + " " + body.Errors[0].Message))
}

// maxRetryAfter bounds how long a registry can have itself left alone.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header of that name (RFC 9110, section 10.2.3): at least
// a second where there is one, 0 where there is none.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	var after time.Duration
	if seconds, err := strconv.Atoi(text); err == nil {
		after = time.Duration(min(max(seconds, 0), int(maxRetryAfter.Seconds()))) * time.Second
	} else if then, err := http.ParseTime(text); err == nil {
		after = time.Until(then)
	} else {
		return 0
	}
	return min(max(after, time.Second), maxRetryAfter)
}

// note keeps what an answer says of the registry's budget:
// RateLimit-Limit and RateLimit-Remaining, as in "100;w=21600".
func (r *Registry) note(h http.Header) {
	limit, window, ok := amount(h.Get("RateLimit-Limit"))
	if !ok {
		return
	}
	remaining, _, ok := amount(h.Get("RateLimit-Remaining"))
	if !ok {
		return
	}
	r.mu.Lock()
	r.budget = Budget{Limit: limit, Remaining: remaining, Window: window, At: time.Now()}
	r.mu.Unlock()
}

func amount(text string) (n int, window time.Duration, ok bool) {
	first, rest, _ := strings.Cut(text, ";")
	n, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || n < 0 {
		return 0, 0, false
	}
	if w, found := strings.CutPrefix(strings.TrimSpace(rest), "w="); found {
		if seconds, err := strconv.Atoi(w); err == nil && seconds > 0 && seconds < 1e9 {
			window = time.Duration(seconds) * time.Second
		}
	}
	return n, window, true
}

// object reads an answer of at most n bytes as JSON.
func object(answer *http.Response, n int64, into any) error {
	defer answer.Body.Close()
	text, err := content(answer, n)
	if err != nil {
		return err
	}
	if json.Unmarshal(text, into) != nil {
		return ErrAnswer.With("it is not the JSON that was asked for")
	}
	return nil
}

// content reads an answer of at most n bytes.
func content(answer *http.Response, n int64) ([]byte, error) {
	if answer.ContentLength > n {
		return nil, ErrAnswer.With("it has more than %d bytes", n)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, n+1))
	switch {
	case err != nil:
		return nil, unreachable(answer.Request.Context(), err)
	case int64(len(text)) > n:
		return nil, ErrAnswer.With("it has more than %d bytes", n)
	}
	return text, nil
}
