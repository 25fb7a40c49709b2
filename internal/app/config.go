package app

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/intake"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/token"
)

// A Config is all that whoever runs Berth may choose. The zero Config works; New
// takes what Complete makes of it.
type Config struct {
	// Data is the folder that holds the database, unless Database is another,
	// the blobs, and the key that secrets are sealed with. It is created.
	Data string

	// Database is "sqlite:///path/to/file" or "postgres://user:password@host/name";
	// empty for SQLite in Data. Connections bounds those to PostgreSQL, or those
	// that read from SQLite; 0 leaves the number to the program.
	Database    string
	Connections int

	// Listen is HOST:PORT. ExternalURL is what clients call the server, "" for
	// whatever each request calls it. InternalURL is what scanners call it that are
	// to use the internal address, "" for where it listens. TrustedProxies are the networks whose
	// forwarded headers are believed.
	Listen         string
	ExternalURL    string
	InternalURL    string
	TrustedProxies []netip.Prefix

	// OutboundAllow are the networks and addresses, as outbound.ParseAllow takes
	// them, that people of projects may have the server connect to though they are
	// not the internet's.
	OutboundAllow []string

	TLS   TLS
	HTTP  HTTP
	Token Token

	// AdminPassword is the first administrator's. It is used only where there is
	// no administrator yet; where it is empty, one is made up and given to
	// FirstPassword.
	AdminPassword secret.Text

	// FirstPassword is told the password that was made up for a user, and the URL
	// of the server, once: it is the only one who ever is. nil stands for nobody,
	// which leaves the account to "berth user reset-password".
	FirstPassword func(address, user string, password secret.Text)

	// SecretKeyFile holds the key that secrets in the database are sealed with;
	// empty for "secret.key" in Data. It is created.
	SecretKeyFile string

	// StopTimeout is how long requests in flight may take to finish when the
	// server stops.
	StopTimeout time.Duration

	// MetricsListen is HOST:PORT of a listener for /metrics alone; empty to serve
	// it with everything else, "off" for not at all. DebugListen is HOST:PORT of
	// one for /debug/pprof/; empty for none.
	MetricsListen string
	DebugListen   string

	// AuditDays is how long audit rows are kept; below 0 for ever.
	AuditDays int

	// CacheFresh is for how long a project that is a cache serves a tag without
	// asking its registry for it again.
	CacheFresh time.Duration

	// Advisories are where advisories come from. From nowhere, there are those that
	// are imported.
	Advisories intake.Sources

	// Settings are settings by their keys, with values as JSON has them, that are
	// fixed: they hold whatever administrators chose, who cannot change them.
	Settings map[string]any

	// AllowMissingBlobs accepts image manifests whose blobs were not pushed.
	AllowMissingBlobs bool

	Log     *slog.Logger // nil for none
	Version Version
}

// TLS names the files of the server's certificate, with its chain, and key, in
// PEM; both or neither. They are read again when they change.
type TLS struct{ Certificate, Key string }

// HTTP bounds what clients may keep busy.
type HTTP struct {
	HeaderTimeout  time.Duration // for a request's header to arrive
	IdleTimeout    time.Duration // for the next request of a connection
	StallTimeout   time.Duration // without a byte of a body, either way; outside of /v2/ for all that a client sends
	HeaderBytes    int           // size of a request's header
	MaxConnections int           // at once; 0 for no bound
}

// Token says what registry tokens look like.
type Token struct {
	Issuer   string
	Services []string      // the first is this registry's own; other registries may have the others
	KeyLife  time.Duration // of the signing keys
}

// Version names what is running.
type Version struct {
	Number string // "1.2.3"
	Commit string
	Go     string // of the compiler
}

// Complete returns the config with defaults where it is silent, or says what in
// it cannot be. Each complaint begins with the key's name.
func (c Config) Complete() (Config, error) {
	or(&c.Data, "data")
	or(&c.Listen, "127.0.0.1:8080")
	or(&c.Database, "sqlite://"+absolute(filepath.Join(c.Data, "berth.db")))
	or(&c.SecretKeyFile, filepath.Join(c.Data, "secret.key"))
	or(&c.StopTimeout, 60*time.Second)
	or(&c.AuditDays, 365)
	or(&c.CacheFresh, time.Minute)
	or(&c.HTTP.HeaderTimeout, 10*time.Second)
	or(&c.HTTP.IdleTimeout, 2*time.Minute)
	or(&c.HTTP.StallTimeout, time.Minute)
	or(&c.HTTP.HeaderBytes, 64<<10)
	or(&c.Token.Issuer, "berth")
	or(&c.Token.KeyLife, 90*24*time.Hour)
	if len(c.Token.Services) == 0 {
		// What scripts that were written for Harbor ask for.
		c.Token.Services = []string{"harbor-registry"}
	}
	if c.Advisories.Source == off {
		c.Advisories.Source = ""
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, c.check()
}

// off as a value turns off what has a default.
const off = "off"

// or sets what is not set.
func or[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}

// absolute returns the path from the root, as it stands in a URL.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return (&url.URL{Path: path}).EscapedPath()
}

// advisories is the folder of the database of advisories.
func (c Config) advisories() string { return filepath.Join(c.Data, "advisories") }

// blobs is the folder of the blob store.
func (c Config) blobs() string { return filepath.Join(c.Data, "blobs") }

func (c Config) check() error {
	for _, at := range []struct{ key, address string }{{"listen", c.Listen}, {"metrics.listen", c.MetricsListen}, {"debug.listen", c.DebugListen}} {
		if at.address == "" || at.key == "metrics.listen" && at.address == off {
			continue
		}
		if _, _, err := net.SplitHostPort(at.address); err != nil {
			return fmt.Errorf("%s: %q is not HOST:PORT", at.key, at.address)
		}
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		return fmt.Errorf("tls: tls.certificate and tls.key go together, and one of them is missing")
	}
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"stop_timeout", int64(c.StopTimeout)}, {"http.header_timeout", int64(c.HTTP.HeaderTimeout)},
		{"http.idle_timeout", int64(c.HTTP.IdleTimeout)}, {"http.stall_timeout", int64(c.HTTP.StallTimeout)},
		{"http.header_bytes", int64(c.HTTP.HeaderBytes)}, {"http.max_connections", int64(c.HTTP.MaxConnections)},
		{"token.key_life", int64(c.Token.KeyLife)},
		{"database_connections", int64(c.Connections)},
	} {
		if n.value < 0 {
			return fmt.Errorf("%s: it is below zero", n.key)
		}
	}
	if !strings.HasPrefix(c.Database, "sqlite://") && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		return fmt.Errorf("database: it begins with neither sqlite:// nor postgres://")
	}
	if c.Token.KeyLife < token.LeastKeyLife {
		return fmt.Errorf("token.key_life: a signing key has to live much longer than a token, for %s at least", token.LeastKeyLife)
	}
	if _, err := outbound.ParseAllow(c.OutboundAllow); err != nil {
		return fmt.Errorf("outbound_allow: %w", err)
	}
	if err := c.Advisories.Check(); err != nil {
		return err
	}
	if _, err := c.external(); err != nil {
		return err
	}
	_, err := parseAddress("internal_url", c.InternalURL)
	return err
}

// host returns what people call the server, without a scheme.
func (c Config) host(external *url.URL) string {
	if external != nil {
		return external.Host
	}
	return c.Listen
}

// external returns the parsed external URL, or nil where there is none.
func (c Config) external() (*url.URL, error) { return parseAddress("external_url", c.ExternalURL) }

// parseAddress returns the URL of a server, which is the value of a key, or nil where
// there is none.
func parseAddress(key, text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: %q is not http:// or https:// with a host", key, text)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%s: %q has more than a scheme, a host and a port; Docker cannot reach a registry below a path", key, text)
	}
	return u, nil
}

// local returns the URL at which this machine reaches the listener.
func (c Config) local(listening string) string {
	scheme := "http"
	if c.TLS.Certificate != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(listening)
	if err != nil {
		return scheme + "://" + listening
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
