package adapter

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

const (
	maxError  = 16 << 10 // bytes that are read of an error's body
	maxAnswer = 1 << 20  // of an answer that is no report
)

// A request is what a scanner is asked.
type request struct {
	method string
	path   string // below the API
	sends  string // the media type of body
	body   []byte
	wants  string // the media type of the answer
}

// send sends a request once, and returns the answer, whose body the caller closes.
func (c *Client) send(ctx context.Context, q request) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, q.method, c.base+q.path, bytes.NewReader(q.body))
	if err != nil {
		return nil, wrong("it makes a URL that is none")
	}
	r.Header = c.header.Clone()
	r.Header.Set("Accept", q.wants)
	if q.sends != "" {
		r.Header.Set("Content-Type", q.sends)
	}
	answer, err := c.out.Do(r, c.skipVerify)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	return answer, nil
}

// ask sends a request whose answer of the status is a small object, and reads that.
func (c *Client) ask(ctx context.Context, q request, status int, into any) error {
	ctx, cancel := within(ctx, c.times.ask, "the answer")
	defer cancel()
	answer, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != status {
		return c.failure(answer)
	}
	if err := typed(answer, q.wants); err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return unreachable(ctx, err)
	case len(text) > maxAnswer:
		return wrong("it has more than %d bytes", maxAnswer)
	case json.Unmarshal(text, into) != nil:
		return wrong("it is not the JSON that was asked for")
	}
	return nil
}

// typed returns an error where an answer says that it is something else than one of
// the media types, of whatever version, or JSON.
func typed(answer *http.Response, wants ...string) error {
	text := answer.Header.Get("Content-Type")
	is, _, err := mime.ParseMediaType(text)
	if err == nil && (is == "application/json" || slices.ContainsFunc(wants, func(w string) bool { return is == withoutVersion(w) })) {
		return nil
	}
	return wrong("it is %q, and not %s", cut(text, 100), wants[0])
}

// withoutVersion returns a media type without its parameters.
func withoutVersion(mediaType string) string {
	name, _, _ := strings.Cut(mediaType, ";")
	return strings.ToLower(strings.TrimSpace(name))
}

// failure returns what a status that was not wanted means.
func (c *Client) failure(answer *http.Response) error {
	said := c.reason(answer)
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return ErrRefused.With("%s", said)
	case code == http.StatusNotFound, code == http.StatusGone:
		return ErrNotFound.With("%s", said)
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return ErrUnavailable.With("%s", said)
	case code >= 500:
		return ErrFailed.With("%s", said)
	case code >= 400:
		return ErrRejected.With("%s", said)
	case code/100 == 3:
		return wrong("it is a redirect, which is not followed")
	default:
		return wrong("its status is %d", code)
	}
}

// reason returns the message of an error as the API has it, in short and without the
// credential, which a scanner may say again.
func (c *Client) reason(answer *http.Response) string {
	var body struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxError))
	if json.Unmarshal(text, &body) == nil {
		if said := strings.TrimSpace(short(c.hide(body.Error.Message))); said != "" {
			return said
		}
	}
	if name := http.StatusText(answer.StatusCode); name != "" {
		return name
	}
	return "a status that there is none of"
}

// hide returns a text without the credential, in each form in which it is sent.
func (c *Client) hide(text string) string {
	if c.credential == "" {
		return text
	}
	_, password, _ := strings.Cut(c.credential, ":")
	for _, one := range []string{c.credential, base64.StdEncoding.EncodeToString([]byte(c.credential)), password} {
		if one != "" {
			text = strings.ReplaceAll(text, one, "…")
		}
	}
	return text
}
