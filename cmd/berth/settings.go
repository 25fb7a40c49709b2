package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/secret"
)

// settings is everything that flags, environment and the configuration file can
// say.
type settings struct {
	app.Config
	AdminPasswordFile string
	LogLevel          slog.Level
	LogFormat         string

	origins map[string]string // key -> where its value comes from
}

// A key is one setting: its name in the configuration file. Its environment
// variable follows from it.
type key struct {
	name   string
	field  func(*settings) any // pointer to where it is kept
	about  string
	secret bool
}

// keys is all that can be set, in the order in which it is shown.
var keys = []key{
	{name: "data", field: func(s *settings) any { return &s.Data },
		about: "Folder for the database, the blobs and the secret key. It is created."},
	{name: "listen", field: func(s *settings) any { return &s.Listen },
		about: "`HOST:PORT` to listen on. `:8080` listens on every address of the machine."},
	{name: "external_url", field: func(s *settings) any { return &s.ExternalURL },
		about: "What clients call the server, as `https://registry.example.org`. Without it, whatever each request calls it."},
	{name: "internal_url", field: func(s *settings) any { return &s.InternalURL },
		about: "What scanners with `use_internal_addr` call the server, as `http://berth:8080`. Without it, the address that it listens on, which only programs on the same machine may reach."},
	{name: "trusted_proxies", field: func(s *settings) any { return &s.TrustedProxies },
		about: "Networks of reverse proxies, as `10.0.0.0/8`, whose `X-Forwarded-For`, `-Proto` and `-Host` are believed."},
	{name: "outbound_allow", field: func(s *settings) any { return &s.OutboundAllow },
		about: "What webhooks and their like may reach besides the internet: networks as `10.0.0.0/8`, addresses, and `private` for all private networks."},
	{name: "database", field: func(s *settings) any { return &s.Database }, secret: true,
		about: "`sqlite:///path/to/file` or `postgres://user:password@host/name`. Without it, SQLite in the data folder."},
	{name: "database_connections", field: func(s *settings) any { return &s.Connections },
		about: "Connections to PostgreSQL, or connections that read from SQLite, at most; 0 for 10, or 4."},
	{name: "admin_password", field: func(s *settings) any { return &s.AdminPassword }, secret: true,
		about: "Password of the user `admin`, used when there is none yet. Without it, one is made up and printed once."},
	{name: "admin_password_file", field: func(s *settings) any { return &s.AdminPasswordFile },
		about: "File that holds `admin_password` in its first line."},
	{name: "secret_key_file", field: func(s *settings) any { return &s.SecretKeyFile },
		about: "File with the key that seals secrets in the database. It is created. Nodes that share a database share it."},
	{name: "stop_timeout", field: func(s *settings) any { return &s.StopTimeout },
		about: "How long requests in flight, uploads above all, may take to finish when the server is told to stop."},
	{name: "tls.certificate", field: func(s *settings) any { return &s.TLS.Certificate },
		about: "PEM file with the server's certificate and its chain. With it the server speaks HTTPS. Read again when it changes."},
	{name: "tls.key", field: func(s *settings) any { return &s.TLS.Key },
		about: "PEM file with the certificate's private key."},
	{name: "http.header_timeout", field: func(s *settings) any { return &s.HTTP.HeaderTimeout },
		about: "How long a request's header may take to arrive."},
	{name: "http.idle_timeout", field: func(s *settings) any { return &s.HTTP.IdleTimeout },
		about: "How long a connection is kept for its next request."},
	{name: "http.stall_timeout", field: func(s *settings) any { return &s.HTTP.StallTimeout },
		about: "How long an upload or download may stand still. While bytes move, it may take as long as it takes. What is sent to the API or in a form has this time in all."},
	{name: "http.header_bytes", field: func(s *settings) any { return &s.HTTP.HeaderBytes },
		about: "Largest header of a request, in bytes."},
	{name: "http.max_connections", field: func(s *settings) any { return &s.HTTP.MaxConnections },
		about: "Connections open at once, at most; further ones wait. 0 for no bound."},
	{name: "token.issuer", field: func(s *settings) any { return &s.Token.Issuer },
		about: "Issuer of registry tokens, as other registries that accept them name it."},
	{name: "token.services", field: func(s *settings) any { return &s.Token.Services },
		about: "Services that tokens are issued for. The first is this registry's own name; other registries may use the others."},
	{name: "token.key_life", field: func(s *settings) any { return &s.Token.KeyLife },
		about: "How long a key that signs tokens is good. A new one is made at half of that."},
	{name: "allow_missing_blobs", field: func(s *settings) any { return &s.AllowMissingBlobs },
		about: "Accept manifests of images whose blobs were not pushed."},
	{name: "settings", field: func(s *settings) any { return &s.Settings }, secret: true,
		about: "Settings that administrators then cannot change, as a text of JSON: `{\"read_only\":true}`. Their keys are those of `/api/v2.0/configurations`."},
	{name: "audit.days", field: func(s *settings) any { return &s.AuditDays },
		about: "Days that audit rows are kept; -1 for ever."},
	{name: "cache.fresh", field: func(s *settings) any { return &s.CacheFresh },
		about: "How long a project that is a cache serves a tag without asking its registry for it again."},
	{name: "advisories.source", field: func(s *settings) any { return &s.Advisories.Source },
		about: "Where advisories about vulnerabilities come from: the URL or the folder of a copy of OSV's data, or `oci:PROJECT/REPOSITORY:TAG`, an artifact of this registry; `off` turns updates off."},
	{name: "advisories.ecosystems", field: func(s *settings) any { return &s.Advisories.Ecosystems },
		about: "Ecosystems whose advisories are kept, as `[Debian, npm]`. Without it, those that images have most; `docs/advisories.md` lists them."},
	{name: "advisories.malicious", field: func(s *settings) any { return &s.Advisories.Malicious },
		about: "Keep also what is known of packages that do harm by design, of which there are very many."},
	{name: "advisories.kev", field: func(s *settings) any { return &s.Advisories.KEV },
		about: "URL or file of CISA's list of vulnerabilities that are known to be exploited, in JSON."},
	{name: "advisories.epss", field: func(s *settings) any { return &s.Advisories.EPSS },
		about: "URL or file of EPSS, which says how likely vulnerabilities are to be exploited, as CSV."},
	{name: "advisories.publish", field: func(s *settings) any { return &s.Advisories.Publish },
		about: "`PROJECT/REPOSITORY:TAG` where the advisories are pushed whenever they are new, as an artifact that other servers take."},
	{name: "log.level", field: func(s *settings) any { return &s.LogLevel },
		about: "`debug`, `info`, `warn` or `error`. Each request is a line of `info`."},
	{name: "log.format", field: func(s *settings) any { return &s.LogFormat },
		about: "`text` or `json`. The log goes to the standard error output."},
	{name: "metrics.listen", field: func(s *settings) any { return &s.MetricsListen },
		about: "`HOST:PORT` that serves `/metrics` alone, or `off`. Without it, `/metrics` is served like everything else."},
	{name: "debug.listen", field: func(s *settings) any { return &s.DebugListen },
		about: "`HOST:PORT` that serves `/debug/pprof/`. It asks for no password: keep it on a loopback address."},
}

const envPrefix = "BERTH_"

// publicAdvisories is where OSV publishes its data.
const publicAdvisories = "https://osv-vulnerabilities.storage.googleapis.com"

// env returns the name of the key's environment variable.
func (k key) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// notOurs are variables that are no settings though they begin like ours:
// Kubernetes sets some in each pod beside a service named "berth", and tests are
// told things by others.
var notOurs = regexp.MustCompile(`^BERTH_(SERVICE_HOST|SERVICE_PORT|PORT|TEST)(_|$)`)

// load reads the configuration. Flags, given by the names of their keys, go
// before environment variables, these before the file, and the file before
// defaults.
func load(file string, environ []string, flags map[string]string) (*settings, error) {
	s := &settings{LogFormat: "text", origins: map[string]string{}}
	s.Advisories.Source, s.Advisories.Malicious = publicAdvisories, true
	var unknown []error
	if file != "" {
		values, err := readFile(file)
		if err != nil {
			return nil, err
		}
		unknown = append(unknown, s.apply(values, "in "+file)...)
	}
	values, err := readEnv(environ)
	unknown = append(unknown, err...)
	unknown = append(unknown, s.apply(values, "environment")...)
	given := map[string]any{}
	for name, value := range flags {
		given[name] = value
	}
	unknown = append(unknown, s.apply(given, "flag")...)
	if len(unknown) > 0 {
		return nil, errors.Join(unknown...)
	}
	return s, s.complete()
}

func readFile(name string) (map[string]any, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	tree, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", name, err)
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(tree, ""), nil); err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", name, err)
	}
	values := k.All()
	for name, value := range values {
		if value == nil { // "tls:" with nothing below it, or a key with nothing behind it
			delete(values, name)
			if !slices.ContainsFunc(keys, func(k key) bool { return k.name == name || strings.HasPrefix(k.name, name+".") }) {
				values[name] = ""
			}
		}
	}
	return values, nil
}

// readEnv returns the values of our variables, and a complaint for each that is
// none of ours but looks like it. An empty variable is one that is not set.
func readEnv(environ []string) (map[string]any, []error) {
	var complaints []error
	k := koanf.New("/") // no name has a slash in it, so that nothing is nested
	err := k.Load(env.Provider("/", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			i := slices.IndexFunc(keys, func(k key) bool { return k.env() == name })
			if i < 0 && name != envPrefix+"CONFIG" && !notOurs.MatchString(name) {
				complaints = append(complaints, fmt.Errorf("unknown environment variable %s; did you mean %s?", name, nearest(name, key.env)))
			}
			if i < 0 || value == "" {
				return "", nil
			}
			return keys[i].name, value
		},
	}), nil)
	if err != nil {
		complaints = append(complaints, fmt.Errorf("environment: %w", err))
	}
	return k.All(), complaints
}

// apply sets what values say and notes where that came from.
func (s *settings) apply(values map[string]any, origin string) (complaints []error) {
	for name := range values {
		if i := slices.IndexFunc(keys, func(k key) bool { return strings.HasPrefix(k.name, name+".") }); i >= 0 {
			complaints = append(complaints, fmt.Errorf("%s (%s): keys below it are expected, like %s", name, origin, keys[i].name))
		} else if !slices.ContainsFunc(keys, func(k key) bool { return k.name == name }) {
			complaints = append(complaints, fmt.Errorf("unknown key %q %s; did you mean %q?", name, origin, nearest(name, func(k key) string { return k.name })))
		}
	}
	slices.SortFunc(complaints, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	for _, k := range keys {
		value, ok := values[k.name]
		if !ok {
			continue
		}
		if err := set(k.field(s), value); err != nil {
			complaints = append(complaints, fmt.Errorf("%s (%s): %w", k.name, origin, err))
		}
		s.origins[k.name] = origin
	}
	return complaints
}

// set gives a field the value that YAML, a variable or a flag has for it.
func set(field, value any) error {
	if list, ok := value.([]any); ok {
		var parts []string
		for _, item := range list {
			text, ok := item.(string)
			if !ok {
				return fmt.Errorf("%v is not a text; put it in quotes", item)
			}
			parts = append(parts, text)
		}
		return setList(field, parts)
	}
	switch field := field.(type) {
	case *string:
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("a text is expected; put it in quotes")
		}
		*field = text
		return nil
	case *secret.Text:
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("a text is expected; put it in quotes")
		}
		*field = secret.New(text)
		return nil
	case *map[string]any:
		text, ok := value.(string)
		if text == "" && ok {
			return nil
		}
		if !ok || json.Unmarshal([]byte(text), field) != nil {
			return fmt.Errorf("it is no text with a JSON object in it")
		}
		return nil
	}
	return setText(field, fmt.Sprint(value))
}

func setText(field any, text string) (err error) {
	switch field := field.(type) {
	case *bool:
		if *field, err = strconv.ParseBool(text); err != nil {
			err = fmt.Errorf("%q is neither true nor false", text)
		}
	case *int:
		if *field, err = strconv.Atoi(text); err != nil {
			err = fmt.Errorf("%q is not a number", text)
		}
	case *time.Duration:
		if *field, err = time.ParseDuration(text); err != nil {
			err = fmt.Errorf("%q is not a duration like 90s, 30m or 12h", text)
		}
	case *slog.Level:
		if err = field.UnmarshalText([]byte(text)); err != nil {
			err = fmt.Errorf("%q is not debug, info, warn or error", text)
		}
	default:
		err = setList(field, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }))
	}
	return err
}

func setList(field any, parts []string) error {
	switch field := field.(type) {
	case *[]string:
		*field = parts
	case *[]netip.Prefix:
		*field = nil
		for _, part := range parts {
			p, err := netip.ParsePrefix(part)
			if err != nil {
				return fmt.Errorf("%q is not a network like 10.0.0.0/8", part)
			}
			*field = append(*field, p)
		}
	default:
		return errors.New("a single value is expected, not a list")
	}
	return nil
}

// complete fills in defaults, reads the file that is named for a password, and
// checks the whole.
func (s *settings) complete() (err error) {
	if s.LogFormat != "text" && s.LogFormat != "json" {
		return fmt.Errorf("log.format: %q is neither text nor json", s.LogFormat)
	}
	if s.AdminPasswordFile != "" {
		if !s.AdminPassword.Empty() {
			return errors.New("admin_password and admin_password_file: only one of them can be given")
		}
		text, err := os.ReadFile(s.AdminPasswordFile)
		if err != nil {
			return fmt.Errorf("admin_password_file: %w", err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		s.AdminPassword = secret.New(strings.TrimSuffix(line, "\r"))
	}
	s.Version = version()
	s.Config, err = s.Config.Complete()
	return err
}

// logger returns the log that the settings ask for.
func (s *settings) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// show returns a key's value for people. Secrets are hidden, also where they
// are a part of it.
func (s *settings) show(k key) any {
	switch v := k.field(s).(type) {
	case *secret.Text:
		if v.Empty() {
			return ""
		}
		return v.String()
	case *string:
		if k.secret {
			return redact(*v)
		}
		return *v
	case *map[string]any:
		if len(*v) == 0 {
			return ""
		}
		return secret.New("there are some").String()
	case *time.Duration:
		return plain(*v)
	case *slog.Level:
		return strings.ToLower(v.String())
	case *bool:
		return *v
	case *int:
		return *v
	case *[]string:
		return *v
	case *[]netip.Prefix:
		return texts(*v)
	default:
		panic("berth: a setting of a type that is not shown: " + k.name)
	}
}

func texts(networks []netip.Prefix) []string {
	out := make([]string, len(networks))
	for i, n := range networks {
		out[i] = n.String()
	}
	return out
}

// redact hides the passwords in a URL, wherever they may stand.
func redact(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return secret.New(text).String()
	}
	q := u.Query()
	for _, name := range []string{"password", "sslpassword"} {
		if q.Has(name) {
			q.Set(name, "xxxxx")
			u.RawQuery = q.Encode()
		}
	}
	return u.Redacted()
}

// plain writes a duration without the parts that are zero: 30m, not 30m0s.
func plain(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// nearest returns what the key that is most like a name is called.
func nearest(name string, called func(key) string) string {
	best, least := "", 1<<30
	for _, k := range keys {
		if d := distance(name, called(k)); d < least {
			best, least = called(k), d
		}
	}
	return best
}

// distance returns how many characters must be added, removed or replaced to
// make one text of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
