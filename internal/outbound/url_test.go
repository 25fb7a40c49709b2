package outbound

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// urls has URLs with what is said of them to people of projects.
var urls = []struct {
	url    string
	fault  error // nil where it can be saved
	reason string
}{
	{"https://hooks.example.org/a/b?c=d", nil, ""},
	{"http://hooks.example.org", nil, ""},
	{"HTTPS://HOOKS.EXAMPLE.ORG:65535/", nil, ""},
	{"http://under_score.example.org./", nil, ""},
	{"http://xn--bcher-kva.example/", nil, ""},
	{"http://1.1.1.1:22/", nil, ""},
	{"http://[2600::1]:8080/", nil, ""},
	{"http://1e100.example.org2/", nil, ""},
	{"https://h/" + strings.Repeat("a", maxURL-len("https://h/")), nil, ""},

	{"", ErrURL, "must begin with http"},
	{"hooks.example.org", ErrURL, "must begin with http"},
	{"//hooks.example.org", ErrURL, "must begin with http"},
	{"ftp://hooks.example.org", ErrURL, "must begin with http"},
	{"file:///etc/passwd", ErrURL, "must begin with http"},
	{"gopher://hooks.example.org", ErrURL, "must begin with http"},
	{"javascript:alert(1)", ErrURL, "must begin with http"},
	{"http:hooks.example.org", ErrURL, "must have a host"},
	{"http://", ErrURL, "must have a host"},
	{"http:///path", ErrURL, "must have a host"},
	{"http://:80/", ErrURL, "must have a host"},
	{"http://user@hooks.example.org/", ErrURL, "user or a password"},
	{"http://user:password@hooks.example.org/", ErrURL, "user or a password"},
	{"http://@hooks.example.org/", ErrURL, "user or a password"},
	{"http://hooks.example.org/#", ErrURL, "fragment"},
	{"http://hooks.example.org/#part", ErrURL, "fragment"},
	{"http://hooks.example.org:0/", ErrURL, "port"},
	{"http://hooks.example.org:65536/", ErrURL, "port"},
	{"http://hooks.example.org:99999999999999999999/", ErrURL, "port"},
	{"http://hooks.example.org:http/", ErrURL, "cannot be parsed"},
	{"http://hooks.example.org/\r\nX: y", ErrURL, "cannot be parsed"},
	{"http://%31%32%37.0.0.1/", ErrURL, "cannot be parsed"},
	{"http://[::1/", ErrURL, "cannot be parsed"},
	{"https://h/" + strings.Repeat("a", maxURL), ErrURL, "2048 bytes"},
	{"http://" + strings.Repeat("a.", 127) + "org/", ErrURL, "host must be a name"},
	{"http://" + strings.Repeat("a", 64) + ".org/", ErrURL, "host must be a name"},
	{"http://bücher.example/", ErrURL, "host must be a name"},
	{"http://１２７.0.0.1/", ErrURL, "host must be a name"},
	{"http://127。0。0。1/", ErrURL, "host must be a name"},
	{"http://hooks.example.org\u200b/", ErrURL, "host must be a name"},
	{"http://a..b/", ErrURL, "host must be a name"},
	{"http://./", ErrURL, "host must be a name"},

	{"http://2130706433/", ErrURL, "host must be a name"}, // 127.0.0.1 in other words
	{"http://017700000001/", ErrURL, "host must be a name"},
	{"http://0x7f000001/", ErrURL, "host must be a name"},
	{"http://0x7f.0.0.1/", ErrURL, "host must be a name"},
	{"http://0X7F.0.0.0X1/", ErrURL, "host must be a name"},
	{"http://0177.0.0.1/", ErrURL, "host must be a name"},
	{"http://127.0.0.01/", ErrURL, "host must be a name"},
	{"http://127.1/", ErrURL, "host must be a name"},
	{"http://127.0.1/", ErrURL, "host must be a name"},
	{"http://127.0.0.1./", ErrURL, "host must be a name"},
	{"http://0/", ErrURL, "host must be a name"},
	{"http://0x/", ErrURL, "host must be a name"},
	{"http://2852039166/", ErrURL, "host must be a name"}, // 169.254.169.254

	{"http://127.0.0.1/", ErrForbidden, "loopback"},
	{"http://localhost:8080/", ErrForbidden, "loopback"},
	{"http://LocalHost./", ErrForbidden, "loopback"},
	{"http://any.thing.localhost/", ErrForbidden, "loopback"},
	{"http://[::1]/", ErrForbidden, "loopback"},
	{"http://[::ffff:127.0.0.1]/", ErrForbidden, "loopback"},
	{"http://[::ffff:7f00:1]/", ErrForbidden, "loopback"},
	{"http://[0:0:0:0:0:0:0:1]/", ErrForbidden, "loopback"},
	{"http://[64:ff9b::7f00:1]/", ErrForbidden, "loopback"},
	{"http://[2002:7f00:1::]/", ErrForbidden, "loopback"},
	{"http://[::]:80/", ErrForbidden, "unspecified"},
	{"http://0.0.0.0/", ErrForbidden, "unspecified"},
	{"http://10.0.0.1/", ErrForbidden, "10.0.0.1 is a private address; the server's setting outbound_allow"},
	{"http://169.254.169.254/latest/meta-data/", ErrForbidden, "link-local"},
	{"http://[fe80::1%25eth0]/", ErrForbidden, "zone"},
	{"http://[2600::1%25eth0]/", ErrForbidden, "zone"},
}

func TestURLsAreCheckedBeforeTheyAreSaved(t *testing.T) {
	for _, c := range urls {
		err := New(ForProjects(nil), Limits{}).CheckURL(c.url)
		if !errors.Is(err, c.fault) || err != nil && !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%.80q: %v, want %q", c.url, err, c.reason)
		}
	}
}

func TestAnAllowedAddressCanBeSaved(t *testing.T) {
	r := ForProjects(allow(t, "127.0.0.1", Private))
	for _, text := range []string{"http://127.0.0.1/", "http://localhost/", "http://[::ffff:127.0.0.1]/", "http://192.168.0.1/", "http://[fd00::1]/"} {
		if err := r.CheckURL(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"http://127.0.0.2/", "http://2130706433/", "http://169.254.169.254/"} {
		if err := r.CheckURL(text); err == nil {
			t.Errorf("%s can be saved", text)
		}
	}
}

// classful reads an address of IPv4 as inet_aton of C does, which parts of a
// system may do when they resolve a name.
func classful(host string) (netip.Addr, bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 0, 64)
		most := uint64(255)
		if i == len(parts)-1 {
			most = 1<<(8*(5-len(parts))) - 1
		}
		if err != nil || n > most || strings.Contains(part, "_") || strings.HasPrefix(strings.ToLower(part), "0b") || strings.HasPrefix(strings.ToLower(part), "0o") {
			return netip.Addr{}, false
		}
		if i == len(parts)-1 {
			sum |= n
		} else {
			sum |= n << (8 * (3 - i))
		}
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}

func FuzzCheckURL(f *testing.F) {
	for _, c := range urls {
		f.Add(c.url)
	}
	rules := ForProjects(nil)
	f.Fuzz(func(t *testing.T, text string) {
		err := rules.CheckURL(text)
		if err != nil {
			if !errors.Is(err, ErrURL) && !errors.Is(err, ErrForbidden) {
				t.Fatalf("%q: %v is no fault of ours", text, err)
			}
			return
		}
		r, err := http.NewRequest(http.MethodPost, text, nil)
		if err != nil {
			t.Fatalf("%q passes, and no request can be made of it: %v", text, err)
		}
		host := r.URL.Hostname()
		if len(text) > maxURL || r.URL.Scheme != "http" && r.URL.Scheme != "https" || host == "" || r.URL.User != nil || r.URL.Fragment != "" {
			t.Fatalf("%q passes", text)
		}
		a, err := netip.ParseAddr(host)
		if err != nil {
			var is bool
			if a, is = classful(host); is {
				t.Fatalf("%q passes, and its host is %s", text, a)
			}
			return
		}
		if err := rules.Check(a); err != nil {
			t.Fatalf("%q passes: %v", text, err)
		}
		again, err := url.Parse(r.URL.String())
		if err != nil || again.Host != r.URL.Host {
			t.Fatalf("%q becomes %q: %v", text, r.URL, err)
		}
	})
}
