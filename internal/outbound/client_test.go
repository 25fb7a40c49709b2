package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A house is a client that may reach 127.0.0.1 alone, with what it did.
type house struct {
	*Client
	*watch
}

func open(t *testing.T, answers map[string][][]string) house {
	t.Helper()
	c := New(ForProjects(allow(t, "127.0.0.1")), Limits{})
	t.Cleanup(c.Close)
	return house{c, watched(c.dialer, answers)}
}

// A server keeps what it was asked.
type server struct {
	*httptest.Server
	port string

	mu    sync.Mutex
	asked []request
}

type request struct {
	*http.Request
	body string
}

func (s *server) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func serve(t *testing.T, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.asked = append(s.asked, request{r, string(body)})
		s.mu.Unlock()
		answer(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	_, s.port, _ = net.SplitHostPort(s.Listener.Addr().String())
	return s
}

func started(t *testing.T, answer http.HandlerFunc) *server {
	t.Helper()
	s := serve(t, answer)
	s.Start()
	return s
}

func fine(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }

// to redirects everything.
func to(status int, target string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", target)
		w.WriteHeader(status)
	}
}

// ask sends a request with a body, and returns the answer's.
func (h house) ask(t *testing.T, method, url string, headers ...string) (status int, body string, err error) {
	t.Helper()
	return send(t, h.Client, false, method, url, headers...)
}

func send(t *testing.T, c *Client, skipVerify bool, method, url string, headers ...string) (status int, body string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // for what would hang
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("news"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := c.Do(r, skipVerify)
	if err == nil {
		defer answer.Body.Close()
		var all []byte
		all, err = io.ReadAll(answer.Body)
		status, body = answer.StatusCode, string(all)
	}
	if ctx.Err() != nil {
		t.Errorf("%s: it hangs", url)
	}
	return status, body, err
}

func TestARequestReachesWhatIsAllowedAlone(t *testing.T) {
	s := started(t, fine)
	h := open(t, map[string][][]string{"allowed.test": {{"127.0.0.1"}}, "other.test": {{"10.0.0.1"}}})
	if _, body, err := h.ask(t, "POST", "http://allowed.test:"+s.port); err != nil || body != "fine" || s.requests()[0].body != "news" {
		t.Errorf("%q, %v", body, err)
	}
	if _, _, err := h.ask(t, "POST", "http://other.test:"+s.port); !errors.Is(err, ErrForbidden) {
		t.Error(err)
	}
	strict := New(ForProjects(nil), Limits{})
	defer strict.Close()
	for _, skipVerify := range []bool{false, true} {
		if _, _, err := send(t, strict, skipVerify, "POST", s.URL); !errors.Is(err, ErrForbidden) {
			t.Error(err)
		}
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestANewConnectionIsJudgedAnew has a name move between two requests.
func TestANewConnectionIsJudgedAnew(t *testing.T) {
	s := started(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	h := open(t, map[string][][]string{"rebind.test": {{"127.0.0.1"}, {"127.0.0.2"}}})
	if _, _, err := h.ask(t, "GET", "http://rebind.test:"+s.port); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.ask(t, "GET", "http://rebind.test:"+s.port); !errors.Is(err, ErrForbidden) {
		t.Error(err)
	}
}

func TestRedirectsDoNotLeadPastTheRules(t *testing.T) {
	names := map[string][][]string{
		"inside.test": {{"10.0.0.1"}}, "metadata.test": {{"169.254.169.254"}}, "six.test": {{"::1"}}, "0x7f000002": {{"127.0.0.2"}},
		"carries.test": {{"64:ff9b::a9fe:a9fe"}}, "0x7f.2": {{"127.0.0.2"}},
	}
	for target, want := range map[string]error{
		"http://127.0.0.2:PORT/":                  ErrForbidden,
		"http://169.254.169.254/latest/meta-data": ErrForbidden,
		"https://10.0.0.1/":                       ErrForbidden,
		"http://[::1]:PORT/":                      ErrForbidden,
		"http://[::ffff:127.0.0.2]:PORT/":         ErrForbidden,
		"http://[::ffff:a9fe:a9fe]/":              ErrForbidden,
		"http://[64:ff9b::a9fe:a9fe]/":            ErrForbidden,
		"http://[fe80::1%25lo]:PORT/":             ErrForbidden,
		"http://0.0.0.0:PORT/":                    ErrForbidden,
		"http://[::]:PORT/":                       ErrForbidden,
		"//127.0.0.2:PORT/":                       ErrForbidden,
		"http://inside.test/":                     ErrForbidden,
		"http://metadata.test/":                   ErrForbidden,
		"http://six.test:PORT/":                   ErrForbidden,
		"http://carries.test/":                    ErrForbidden,
		"http://2130706434:PORT/":                 ErrURL, // 127.0.0.2 in other words
		"http://017700000002:PORT/":               ErrURL,
		"http://0177.0.0.2:PORT/":                 ErrURL,
		"http://0x7f000002:PORT/":                 ErrURL,
		"http://0x7f.2:PORT/":                     ErrURL,
		"http://127.2:PORT/":                      ErrURL,
		"http://１２７.0.0.2:PORT/":                  ErrURL,
		"http://name:password@127.0.0.1:PORT/":    ErrURL,
		"ftp://127.0.0.1:PORT/":                   ErrURL,
		"file:///etc/passwd":                      ErrURL,
		"gopher://127.0.0.1:PORT/":                ErrURL,
		"http:///nowhere":                         ErrURL,
	} {
		s := serve(t, nil)
		target = strings.ReplaceAll(target, "PORT", s.port)
		s.Config.Handler = to(http.StatusTemporaryRedirect, target)
		s.Start()
		h := open(t, names)
		if _, _, err := h.ask(t, "POST", s.URL); !errors.Is(err, want) {
			t.Errorf("%s: %v", target, err)
		}
		if len(h.connected()) != 1 {
			t.Errorf("%s: connections to %v", target, h.connected())
		}
	}
}

// TestRedirectsOfNamesThatAreNumbersAreRefusedByTheDialerToo leaves out the check
// of the URL, which comes first.
func TestRedirectsOfNamesThatAreNumbersAreRefusedByTheDialerToo(t *testing.T) {
	for _, host := range []string{"0x7f000002", "0x7f.2", "127.0.0.2", "[::ffff:127.0.0.2]"} {
		s := serve(t, nil)
		s.Config.Handler = to(http.StatusTemporaryRedirect, "http://"+host+":"+s.port)
		s.Start()
		h := open(t, map[string][][]string{"0x7f000002": {{"127.0.0.2"}}, "0x7f.2": {{"127.0.0.2"}}})
		h.verified.CheckRedirect = nil
		if _, _, err := h.ask(t, "POST", s.URL); !errors.Is(err, ErrForbidden) || len(h.connected()) != 1 {
			t.Errorf("%s: %v; connections to %v", host, err, h.connected())
		}
	}
}

func TestAFewRedirectsAreFollowed(t *testing.T) {
	for _, status := range []int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		for hops := range 6 {
			s := started(t, func(w http.ResponseWriter, r *http.Request) {
				if left := len(r.URL.Path) - 1; left > 0 {
					to(status, r.URL.Path[:left])(w, r)
				}
			})
			code, _, err := open(t, nil).ask(t, "POST", s.URL+"/"+strings.Repeat("x", hops))
			if hops <= 3 && (err != nil || code != http.StatusOK) || hops > 3 && !errors.Is(err, ErrRedirect) {
				t.Errorf("%d redirects: %d, %v", hops, code, err)
			}
			asked := s.requests()
			if last := asked[len(asked)-1]; len(asked) != min(hops, 3)+1 || last.body != "news" || last.Method != "POST" {
				t.Errorf("%d redirects: it was asked %d times, at last %s %q", hops, len(asked), last.Method, last.body)
			}
		}
	}
	loop := started(t, to(http.StatusTemporaryRedirect, "/again"))
	if _, _, err := open(t, nil).ask(t, "POST", loop.URL); !errors.Is(err, ErrRedirect) || len(loop.requests()) != 4 {
		t.Errorf("in a circle: %v after %d", err, len(loop.requests()))
	}
}

func TestAStraightRequestFollowsNoRedirect(t *testing.T) {
	client := New(ForProjects(allow(t, "127.0.0.1")), Limits{Straight: true})
	defer client.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect} {
		s := started(t, to(status, "/there"))
		for _, method := range []string{"GET", "POST"} {
			if code, _, err := send(t, client, false, method, s.URL); err != nil || code != status {
				t.Errorf("%s: %d, %v", method, code, err)
			}
		}
		if n := len(s.requests()); n != 2 {
			t.Errorf("%d: two requests became %d", status, n)
		}
	}
}

func TestARedirectDoesNotChangeTheMethod(t *testing.T) {
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther} {
		s := started(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				to(status, "/there")(w, r)
			}
		})
		h := open(t, nil)
		if _, _, err := h.ask(t, "POST", s.URL); !errors.Is(err, ErrRedirect) || !strings.Contains(err.Error(), "GET of POST") || len(s.requests()) != 1 {
			t.Errorf("%d: %v, asked %d times", status, err, len(s.requests()))
		}
		for _, method := range []string{"GET", "HEAD"} {
			if code, _, err := h.ask(t, method, s.URL); err != nil || code != http.StatusOK {
				t.Errorf("%d of %s: %d, %v", status, method, code, err)
			}
		}
	}
}

func TestSecretsStayWithTheirServer(t *testing.T) {
	headers := []string{
		"Authorization", "Bearer secret", "Cookie", "a=secret", "Proxy-Authorization", "secret", "X-Api-Key", "secret", "Private-Token", "secret",
		"Content-Type", "application/json", "User-Agent", "Berth", "Accept", "*/*",
	}
	var back *server
	other := started(t, fine)
	first := started(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			to(307, "/end?secret=1")(w, r)
		case "/away":
			to(307, back.URL)(w, r)
		case "/port":
			to(307, "http://127.0.0.1:"+other.port+"/")(w, r)
		case "/host":
			to(307, "http://host.test:"+strings.Split(r.Host, ":")[1]+"/end")(w, r)
		case "/below":
			to(307, "http://sub.name.test:"+strings.Split(r.Host, ":")[1]+"/end")(w, r)
		}
	})
	back = started(t, to(307, first.URL+"/end"))
	names := map[string][][]string{"host.test": {{"127.0.0.1"}}, "sub.name.test": {{"127.0.0.1"}}, "name.test": {{"127.0.0.1"}}}
	for _, c := range []struct {
		what, url string
		end       *server
		keeps     bool
	}{
		{"no redirect", first.URL + "/end", first, true},
		{"the same server", first.URL + "/same", first, true},
		{"another port", first.URL + "/port", other, false},
		{"another host", first.URL + "/host", first, false},
		{"a host below", "http://name.test:" + first.port + "/below", first, false},
		{"away and back again", first.URL + "/away", first, false},
	} {
		before := len(c.end.requests())
		if code, _, err := open(t, names).ask(t, "POST", c.url, headers...); err != nil || code != http.StatusOK || len(c.end.requests()) == before {
			t.Errorf("%s: %d, %v", c.what, code, err)
			continue
		}
		asked := c.end.requests()
		got := asked[len(asked)-1]
		if has := strings.Contains(fmt.Sprint(got.Header), "secret"); has != c.keeps || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("User-Agent") != "Berth" {
			t.Errorf("%s: %v", c.what, got.Header)
		}
	}
}

// TestSecretsAreNotSentInTheClear redirects from https to http on one port, which
// has no listener for that: what would be sent is looked at.
func TestSecretsAreNotSentInTheClear(t *testing.T) {
	h := open(t, nil)
	for _, c := range []struct {
		via   []string
		to    string
		keeps bool
	}{
		{[]string{"https://a.test/x"}, "https://a.test/y", true},
		{[]string{"https://a.test/x"}, "https://A.test:443/y", true},
		{[]string{"http://a.test/x"}, "http://a.test:80/y", true},
		{[]string{"https://a.test/x"}, "http://a.test/y", false},
		{[]string{"https://a.test/x"}, "http://a.test:443/y", false},
		{[]string{"http://a.test/x"}, "https://a.test/y", false},
		{[]string{"https://a.test/x"}, "https://a.test:444/y", false},
		{[]string{"https://a.test/x"}, "https://a.test./y", false},
		{[]string{"https://a.test/x", "https://b.test/"}, "https://a.test/y", false},
	} {
		var via []*http.Request
		for _, url := range c.via {
			via = append(via, httptest.NewRequest("POST", url, nil))
		}
		r := httptest.NewRequest("POST", c.to, nil)
		r.Header.Set("Authorization", "secret")
		r.Header.Set("Referer", c.via[0])
		if err := h.redirect(r, via); err != nil {
			t.Errorf("%v to %s: %v", c.via, c.to, err)
		}
		if kept := r.Header.Get("Authorization") != ""; kept != c.keeps || (r.Header.Get("Referer") != "") != c.keeps {
			t.Errorf("%v to %s: %v", c.via, c.to, r.Header)
		}
	}
}

// TestMain puts a proxy into the environment, which is read once in a process. There
// is none at this address.
func TestMain(m *testing.M) {
	os.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	os.Exit(m.Run())
}

// TestTheEnvironmentsProxyIsNotUsed: it would be told to connect to whatever the
// name means to it.
func TestTheEnvironmentsProxyIsNotUsed(t *testing.T) {
	s := started(t, fine)
	h := open(t, map[string][][]string{"hooks.test": {{"127.0.0.1"}}})
	if _, body, err := h.ask(t, "POST", "http://hooks.test:"+s.port); err != nil || body != "fine" {
		t.Errorf("%q, %v", body, err)
	}
}

// TestServersAreVerified also keeps connections open: one that was not verified
// serves nobody who asks for that.
func TestServersAreVerified(t *testing.T) {
	s := serve(t, fine)
	s.StartTLS()
	h := open(t, nil)
	for i, skipVerify := range []bool{false, true, false, true} {
		_, body, err := send(t, h.Client, skipVerify, "POST", s.URL)
		var unknown *tls.CertificateVerificationError
		if skipVerify && (err != nil || body != "fine") || !skipVerify && !errors.As(err, &unknown) {
			t.Errorf("request %d, unverified %t: %q, %v", i, skipVerify, body, err)
		}
	}
	if n := len(h.connected()); n != 3 { // the unverified one was used again
		t.Errorf("%d connections", n)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		s := serve(t, fine)
		s.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
		s.StartTLS()
		if _, _, err := send(t, open(t, nil).Client, true, "POST", s.URL); (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

func TestALongHeaderIsRefused(t *testing.T) {
	for size, ok := range map[int]bool{maxHeader / 2: true, 2 * maxHeader: false} {
		s := started(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", size)) })
		if _, _, err := open(t, nil).ask(t, "POST", s.URL); (err == nil) != ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestEveryWaitEnds has each limit alone end a request that would last.
func TestEveryWaitEnds(t *testing.T) {
	const soon, late = 50 * time.Millisecond, time.Hour
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	over := make(chan struct{})
	drips := started(t, func(w http.ResponseWriter, r *http.Request) {
		for {
			select {
			case <-over:
				return
			case <-r.Context().Done():
				return
			case <-time.After(time.Millisecond):
				_, _ = w.Write([]byte("."))
				_ = http.NewResponseController(w).Flush()
			}
		}
	})
	mute := started(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	defer close(over)
	for _, c := range []struct {
		what, url string
		limits    Limits
	}{
		{"a connection", mute.URL, Limits{Dial: soon, TLS: late, Header: late, Whole: late}},
		{"a handshake", "https://" + silent.Addr().String(), Limits{Dial: late, TLS: soon, Header: late, Whole: late}},
		{"a header", "http://" + silent.Addr().String(), Limits{Dial: late, TLS: late, Header: soon, Whole: late}},
		{"a server that answers nothing", mute.URL, Limits{Dial: late, TLS: late, Header: late, Whole: soon}},
		{"a body that never ends", drips.URL, Limits{Dial: late, TLS: late, Header: late, Whole: soon}},
	} {
		client := New(ForProjects(allow(t, "127.0.0.1")), c.limits)
		if c.limits.Dial == soon {
			client.dialer.net.ControlContext = func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
				<-ctx.Done() // as long as a server that is not there may take
				return ctx.Err()
			}
		}
		_, _, err := send(t, client, false, "POST", c.url)
		var late net.Error
		if !errors.As(err, &late) || !late.Timeout() {
			t.Errorf("%s: %v", c.what, err)
		}
		client.Close()
	}
	if got := New(Rules{}, Limits{}).limits; got.Dial == 0 || got.TLS == 0 || got.Header == 0 || got.Whole == 0 {
		t.Errorf("without limits there is no end: %+v", got)
	}
}
