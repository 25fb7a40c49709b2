package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "berth.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// berth runs one command line and returns what it printed.
func berth(environ []string, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(context.Background(), args, environ, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestFlagsGoBeforeEnvironmentBeforeFileBeforeDefaults(t *testing.T) {
	file := writeFile(t, "listen: file:1\nexternal_url: http://file\nstop_timeout: 5s\ndata: filedata\n")
	environ := []string{"BERTH_LISTEN=env:1", "BERTH_EXTERNAL_URL=http://env"}
	s, err := load(file, environ, map[string]string{"listen": "flag:1"})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{s.Listen, s.ExternalURL, s.StopTimeout, s.Data, s.Token.Issuer}
	if diff := cmp.Diff([]any{"flag:1", "http://env", 5 * time.Second, "filedata", "berth"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryKindOfValueIsRead(t *testing.T) {
	text := `
trusted_proxies: [10.0.0.0/8, "fd00::/8"]
allow_missing_blobs: true
admin_password: "secret text"
http:
  header_bytes: 1234
token:
  services: [one, two]
  key_life: 90h
settings: '{"read_only":true}'
log: {level: debug, format: json}
tls:
`
	networks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	fromEnv := []string{
		"BERTH_TRUSTED_PROXIES=10.0.0.0/8, fd00::/8", "BERTH_ALLOW_MISSING_BLOBS=true", "BERTH_ADMIN_PASSWORD=secret text",
		"BERTH_HTTP_HEADER_BYTES=1234", "BERTH_TOKEN_SERVICES=one,two", "BERTH_TOKEN_KEY_LIFE=90h", `BERTH_SETTINGS={"read_only":true}`,
		"BERTH_LOG_LEVEL=debug", "BERTH_LOG_FORMAT=json", "BERTH_LISTEN=",
	}
	for name, read := range map[string]func() (*settings, error){
		"file":        func() (*settings, error) { return load(writeFile(t, text), nil, nil) },
		"environment": func() (*settings, error) { return load("", fromEnv, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := read()
			if err != nil {
				t.Fatal(err)
			}
			got := []any{s.TrustedProxies, s.AllowMissingBlobs, s.AdminPassword.Reveal(), s.HTTP.HeaderBytes,
				s.Token.Services, s.Token.KeyLife, s.Settings, s.LogLevel.String(), s.LogFormat, s.Listen}
			want := []any{networks, true, "secret text", 1234, []string{"one", "two"}, 90 * time.Hour, map[string]any{"read_only": true}, "DEBUG", "json", "127.0.0.1:8080"}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatCannotBeIsRefusedWithItsName(t *testing.T) {
	cases := []struct {
		name, file string
		environ    []string
		want       string
	}{
		{"unknown key", "lissten: a:1", nil, `unknown key "lissten" in FILE; did you mean "listen"?`},
		{"unknown nested key", "tls:\n  cert: x", nil, `unknown key "tls.cert" in FILE; did you mean "tls.key"?`},
		{"unknown section", "tsl:", nil, `unknown key "tsl" in FILE; did you mean "data"?`},
		{"section for a value", "listen:\n  host: x", nil, `unknown key "listen.host" in FILE`},
		{"value for a section", "log: x", nil, `log (in FILE): keys below it are expected, like log.level`},
		{"unknown variable", "", []string{"BERTH_LISTEN_ADDRESS=a:1"}, "unknown environment variable BERTH_LISTEN_ADDRESS; did you mean BERTH_LISTEN?"},
		{"key twice", "listen: a:1\nlisten: b:1", nil, "already defined"},
		{"not YAML", "listen: [", nil, "configuration file FILE"},
		{"number for a text", "admin_password: 0123", nil, "admin_password (in FILE): a text is expected; put it in quotes"},
		{"list for a text", "listen: [a, b]", nil, "listen (in FILE): a single value is expected"},
		{"duration", "stop_timeout: 60", nil, `stop_timeout (in FILE): "60" is not a duration`},
		{"number", "", []string{"BERTH_AUDIT_DAYS=many"}, `audit.days (environment): "many" is not a number`},
		{"bool", "allow_missing_blobs: maybe", nil, `"maybe" is neither true nor false`},
		{"network", "trusted_proxies: [10.0.0.0]", nil, `"10.0.0.0" is not a network`},
		{"level", "log: {level: loud}", nil, `log.level (in FILE): "loud" is not debug, info, warn or error`},
		{"format", "log: {format: xml}", nil, `log.format: "xml" is neither text nor json`},
		{"address", "listen: nowhere", nil, `listen: "nowhere" is not HOST:PORT`},
		{"half of TLS", "tls: {key: x}", nil, "tls.certificate and tls.key go together"},
		{"database", "database: mysql://x:hunter2@y", nil, "database: it begins with neither sqlite:// nor postgres://"},
		{"external address", "external_url: registry.example.org", nil, "external_url: "},
		{"external path", "external_url: https://example.org/berth", nil, "Docker cannot reach a registry below a path"},
		{"a way out", "outbound_allow: [private, intranet]", nil, `outbound_allow: "intranet" is neither a network like 10.0.0.0/8 nor an address`},
		{"a way that is never out", "", []string{"BERTH_OUTBOUND_ALLOW=169.254.169.254"}, `outbound_allow: "169.254.169.254" cannot be allowed: it is a link-local address`},
		{"two passwords", "admin_password: a\nadmin_password_file: b", nil, "only one of them"},
		{"password file", "admin_password_file: /does/not/exist", nil, "admin_password_file: open"},
		{"below zero", "http: {idle_timeout: -1s}", nil, "http.idle_timeout: it is below zero"},
		{"key life", "token: {key_life: 1h}", nil, "token.key_life"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			file := ""
			if c.file != "" {
				file = writeFile(t, c.file)
			}
			_, err := load(file, c.environ, nil)
			want := strings.ReplaceAll(c.want, "FILE", file)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the complaint holds a password")
			}
		})
	}
}

func TestAllComplaintsComeAtOnce(t *testing.T) {
	_, err := load(writeFile(t, "lissten: a:1\nstop_timeout: soon"), []string{"BERTH_DATUM=x"}, nil)
	for _, want := range []string{"lissten", "soon", "BERTH_DATUM"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a complaint about %s", err, want)
		}
	}
}

func TestVariablesOfKubernetesAndTestsAreNotOurs(t *testing.T) {
	environ := []string{
		"BERTH_SERVICE_HOST=10.0.0.1", "BERTH_SERVICE_PORT=80", "BERTH_SERVICE_PORT_HTTP=80", "BERTH_PORT=tcp://10.0.0.1:80",
		"BERTH_PORT_80_TCP=tcp://10.0.0.1:80", "BERTH_PORT_80_TCP_ADDR=10.0.0.1", "BERTH_TEST_POSTGRES=postgres://",
		"BERTH_CONFIG=x", "HOME=/root",
	}
	if _, err := load("", environ, nil); err != nil {
		t.Error(err)
	}
}

func TestPasswordIsTheFirstLineOfItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("first line \r\nsecond\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := load("", []string{"BERTH_ADMIN_PASSWORD_FILE=" + file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.AdminPassword.Reveal(); got != "first line " {
		t.Errorf("got %q", got)
	}
}

func TestConfigShowPrintsAConfigurationFileWithoutSecrets(t *testing.T) {
	environ := []string{"BERTH_ADMIN_PASSWORD=hunter2", "BERTH_DATABASE=postgres://u:hunter2@h/n?password=hunter2&sslpassword=hunter2&sslmode=disable"}
	code, out, errs := berth(environ, "config", "show", "--data", "here")
	if code != 0 {
		t.Fatal(errs)
	}
	for _, want := range []string{
		"data: here # flag\n", "listen: 127.0.0.1:8080\n", "admin_password: '[secret]' # environment\n",
		"postgres://u:xxxxx@h/n", "sslmode=disable", "token:\n", "  key_life: 2160h\n", "  services: [harbor-registry]\n", "  level: info\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "hunter2") {
		t.Errorf("a secret is shown:\n%s", out)
	}
	// But for the secrets, what is shown is read back as the same.
	again, err := load(writeFile(t, strings.Replace(out, "admin_password: '[secret]'", "admin_password: ''", 1)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, err := load("", environ, map[string]string{"data": "here"})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if !k.secret && fmt.Sprint(again.show(k)) != fmt.Sprint(first.show(k)) {
			t.Errorf("%s: %v is read back as %v", k.name, first.show(k), again.show(k))
		}
	}
}

func TestConfigurationFileIsFoundByVariable(t *testing.T) {
	file := writeFile(t, "data: elsewhere")
	code, out, errs := berth([]string{"BERTH_CONFIG=" + file}, "config", "show")
	if code != 0 || !strings.Contains(out, "data: elsewhere # in "+file) {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}

// reference returns the table of docs/configuration.md as the code has it.
func reference(t *testing.T) string {
	t.Helper()
	s, err := load("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| key | variable | default | meaning |\n|---|---|---|---|\n")
	for _, k := range keys {
		value := strings.ReplaceAll(fmt.Sprint(s.show(k)), here+"/", "")
		if value != "" && value != "[]" {
			value = "`" + strings.Trim(value, "[]") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", k.name, k.env(), strings.Trim(value, "[]"), k.about)
	}
	return b.String()
}

func TestEveryKeyIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if table := reference(t); !strings.Contains(string(text), table) {
		t.Errorf("docs/configuration.md does not hold this table:\n%s", table)
	}
}

func TestExampleOfTheDocumentIsGood(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, ok := strings.Cut(example, "```")
	if !ok {
		t.Fatal("there is none")
	}
	s, err := load(writeFile(t, example), nil, nil)
	if err != nil || s.Listen != ":443" {
		t.Errorf("%v, %v", s, err)
	}
}

func TestEveryFlagOfASettingNamesItsKey(t *testing.T) {
	root := newRoot(&cli{})
	serve, _, err := root.Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	for flag, name := range flagKeys {
		if serve.Flag(flag) == nil && root.PersistentFlags().Lookup(flag) == nil {
			t.Errorf("no flag --%s", flag)
		}
		if !slices.ContainsFunc(keys, func(k key) bool { return k.name == name }) {
			t.Errorf("--%s sets %s, which is no key", flag, name)
		}
	}
}

func TestVersionNamesWhatIsRunning(t *testing.T) {
	code, out, _ := berth(nil, "version")
	for _, want := range []string{"berth ", "commit ", "go ", "platform "} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

func TestUnknownCommandIsRefused(t *testing.T) {
	for _, args := range [][]string{{"sreve"}, {"user", "lits"}, {"serve", "now"}, {"serve", "--lisen", "x"}} {
		if code, _, errs := berth(nil, args...); code != 1 || !strings.Contains(errs, "unknown") {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
}
