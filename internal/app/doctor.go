package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

// The statuses of a finding.
const (
	OK   = "ok"
	Warn = "warn"
	Fail = "fail"
)

// A Finding is the answer to one question of Examine.
type Finding struct {
	Check   string `json:"check"`
	Status  string `json:"status"` // OK, Warn or Fail
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"` // what to do about it
}

const (
	examineTimeout = 10 * time.Second // for one question

	fewBytes    = 1 << 30 // free
	tooFewBytes = 100 << 20
	slow        = 100 * time.Millisecond // for the database to answer
	skew        = 5 * time.Second        // between two clocks
)

// examination is what the questions share.
type examination struct {
	cfg      Config
	findings []Finding
	used     bool   // a server has completed its first start here
	db       *db.DB // nil where it cannot be opened
}

// Examine checks whether a server can run as the config says, and whether the
// one that does is well. It changes nothing.
func Examine(ctx context.Context, cfg Config) []Finding {
	e := &examination{}
	var err error
	if e.cfg, err = cfg.Complete(); err != nil {
		return []Finding{{"configuration", Fail, err.Error(), "correct the value"}}
	}
	for _, ask := range []func(context.Context){
		e.choices, e.folder, e.database, e.blobs, e.clock, e.advisories, e.secretKey, e.tokenKeys, e.tls, e.listening, e.external,
	} {
		ctx, cancel := context.WithTimeout(ctx, examineTimeout)
		ask(ctx)
		cancel()
	}
	if e.db != nil {
		if err := e.db.Close(); err != nil {
			e.fail("database", err, "")
		}
	}
	return e.findings
}

func (e *examination) ok(check, format string, args ...any) {
	e.findings = append(e.findings, Finding{check, OK, fmt.Sprintf(format, args...), ""})
}

func (e *examination) warn(check, advice, format string, args ...any) {
	e.findings = append(e.findings, Finding{check, Warn, fmt.Sprintf(format, args...), advice})
}

func (e *examination) fail(check string, err error, advice string) {
	e.findings = append(e.findings, Finding{check, Fail, err.Error(), advice})
}

// choices looks for what is allowed but seldom meant.
func (e *examination) choices(context.Context) {
	const check = "configuration"
	host, _, _ := net.SplitHostPort(e.cfg.Listen) // Complete has checked it
	ext, _ := e.cfg.external()
	secure := e.cfg.TLS.Certificate != "" || ext != nil && ext.Scheme == "https"
	if !loopback(host) && !secure {
		e.warn(check, "set tls.certificate and tls.key, or let a proxy in front speak HTTPS and set external_url",
			"the server listens on %s without TLS: passwords can be read on the way, and Docker refuses it from other machines", e.cfg.Listen)
	}
	if ext != nil && ext.Scheme == "http" && !loopback(ext.Hostname()) {
		e.warn(check, "use https", "external_url begins with http: Docker refuses that but for localhost")
	}
	if host, _, err := net.SplitHostPort(e.cfg.DebugListen); err == nil && !loopback(host) {
		e.warn(check, "listen on 127.0.0.1", "debug.listen is %s: anybody who reaches it sees inside the server", e.cfg.DebugListen)
	}
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (e *examination) folder(context.Context) {
	const check = "data folder"
	info, err := os.Stat(e.cfg.Data)
	if errors.Is(err, os.ErrNotExist) {
		e.warn(check, `"berth serve" creates it; if there should be one, correct --data`, "%s does not exist", e.cfg.Data)
		return
	}
	if err != nil {
		e.fail(check, err, "correct --data, or the rights of the folders above it")
		return
	}
	if err := e.probe(); err != nil {
		e.fail(check, err, "give the user that runs berth the right to write there")
		return
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		e.warn(check, "chmod 700 "+e.cfg.Data, "other users of this machine may look into %s (mode %04o)", e.cfg.Data, info.Mode().Perm())
	}
	total, free, err := volume(e.cfg.Data)
	const advice = "make room, or move the folder to a larger disk"
	switch {
	case err != nil:
		e.fail(check, err, "")
	case free < tooFewBytes:
		e.fail(check, fmt.Errorf("only %s of %s are free", size(free), size(total)), advice)
	case free < fewBytes || free < total/20:
		e.warn(check, advice, "only %s of %s are free", size(free), size(total))
	default:
		e.ok(check, "%s can be written, %s of %s are free", e.cfg.Data, size(free), size(total))
	}
}

// probe writes a file into the data folder, and looks whether its time is ours.
func (e *examination) probe() error {
	f, err := os.CreateTemp(e.cfg.Data, ".doctor-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	info, err := f.Stat()
	if err == nil {
		if off := time.Since(info.ModTime()).Abs(); off > skew {
			e.warn("clock", "set the clocks of both by NTP", "the file system of %s is %s away from this machine's time", e.cfg.Data, off.Round(time.Second))
		}
	}
	return errors.Join(err, f.Close())
}

func (e *examination) database(ctx context.Context) {
	const check = "database"
	if file := e.cfg.databaseFile(); file != "" {
		if _, err := os.Stat(file); err != nil {
			e.warn(check, `"berth serve" creates it; if there should be one, correct --data or --database`, "%s does not exist", file)
			return
		}
	}
	d, err := openDB(ctx, e.cfg)
	if err != nil {
		e.fail(check, err, "correct --database, or see to it that it can be reached and read")
		return
	}
	e.db = d
	version, err := d.Version(ctx)
	if err != nil {
		e.fail(check, err, "see the message of the database")
		return
	}
	began := time.Now()
	if err := d.Ping(ctx); err != nil {
		e.fail(check, err, "see whether something else holds it locked, or its disk is full")
		return
	}
	took := time.Since(began)
	bytes, err := d.Size(ctx)
	if err == nil {
		_, err = sqlstore.NewSystem(d).Get(ctx, firstStart)
	}
	switch {
	case err != nil:
		e.warn(check, `start "berth serve", which sets it up`, "%s answers, and holds nothing of a server so far", version)
		return
	case took > slow:
		e.warn(check, "look for a busy disk or a slow network", "%s takes %s to answer", version, took.Round(time.Millisecond))
	default:
		e.ok(check, "%s, %s, answers in %s", version, size(uint64(bytes)), took.Round(10*time.Microsecond))
	}
	e.used = true
}

func (e *examination) blobs(ctx context.Context) {
	const check = "blob store"
	switch _, err := os.Stat(e.cfg.blobs()); {
	case errors.Is(err, os.ErrNotExist) && !e.used:
		e.warn(check, `"berth serve" creates it`, "%s does not exist", e.cfg.blobs())
		return
	case err != nil:
		e.fail(check, err, "bring the folder back, from a backup or by mounting its disk: the database names what was in it")
		return
	}
	began := time.Now()
	store, err := disk.New(e.cfg.blobs())
	if err == nil {
		err = store.Check(ctx)
	}
	if err != nil {
		e.fail(check, err, "see that the folder can be written and has room")
		return
	}
	e.ok(check, "wrote and read in %s", time.Since(began).Round(10*time.Microsecond))
}

func (e *examination) clock(ctx context.Context) {
	const check = "clock"
	const advice = "set the clock, best by NTP: tokens and certificates go by it"
	now := time.Now().UTC()
	if e.used {
		text, err := sqlstore.NewSystem(e.db).Get(ctx, firstStart)
		first, perr := time.Parse(time.RFC3339, text)
		if err := errors.Join(err, perr); err != nil {
			e.fail(check, err, "")
			return
		}
		if now.Before(first.Add(-skew)) {
			e.fail(check, fmt.Errorf("it is %s, which is before this server's first start at %s", now.Format(time.RFC3339), text), advice)
			return
		}
	}
	if now.Year() < 2026 {
		e.fail(check, fmt.Errorf("it cannot be %s", now.Format(time.RFC3339)), advice)
		return
	}
	e.ok(check, "%s", now.Format(time.RFC3339))
}

func (e *examination) secretKey(context.Context) {
	const check = "secret key"
	file := e.cfg.SecretKeyFile
	_, err := os.Stat(file)
	switch {
	case err == nil:
		if _, err := secret.LoadKey(file); err != nil {
			e.fail(check, err, "restore the file from a backup, with mode 0600")
			return
		}
		e.ok(check, "%s can be read, and only by its owner", file)
	case errors.Is(err, os.ErrNotExist) && !e.used:
		e.warn(check, `"berth serve" creates it`, "%s does not exist", file)
	default:
		e.fail(check, err, "restore the file from a backup: what it seals cannot be read without it")
	}
}

func (e *examination) tokenKeys(ctx context.Context) {
	const check = "token keys"
	if !e.used {
		return
	}
	tools := &Tools{cfg: e.cfg, db: e.db}
	bundle, err := tools.Bundle(ctx)
	if err != nil {
		e.fail(check, err, "see that the secret key file is the one that this database was used with")
		return
	}
	authority, err := parseCertificates(bundle)
	if err != nil {
		e.fail(check, err, "")
		return
	}
	e.validity(check, authority[0], `the authority of the tokens`, "plan for a new one: registries that use it need the new bundle")
}

func (e *examination) tls(context.Context) {
	const check = "TLS"
	if e.cfg.TLS.Certificate == "" {
		e.ok(check, "not in use")
		return
	}
	c, err := loadCertificate(e.cfg.TLS.Certificate, e.cfg.TLS.Key, e.cfg.Log)
	if err != nil {
		e.fail(check, err, "correct tls.certificate and tls.key: PEM files that belong together")
		return
	}
	leaf := c.known.Leaf
	e.validity(check, leaf, "the certificate of "+strings.Join(append([]string{leaf.Subject.CommonName}, leaf.DNSNames...), ", "), "renew it")
	if u, _ := e.cfg.external(); u != nil && u.Scheme == "https" {
		if err := leaf.VerifyHostname(u.Hostname()); err != nil {
			e.warn(check, "get a certificate for that name, unless a proxy in front has one", "%v", err)
		}
	}
}

// listening asks the server on this machine, or sees whether one could listen.
func (e *examination) listening(ctx context.Context) {
	const check = "listen address"
	address := e.cfg.local(e.cfg.Listen)
	err := e.ask(ctx, address)
	if err == nil {
		e.ok(check, "a server answers at %s", address)
		return
	}
	if !refused(err) {
		e.fail(check, err, "see whether another program listens on "+e.cfg.Listen+", and the log of the server")
		return
	}
	l, err := listen(ctx, e.cfg.Listen, time.Second, 0)
	if err != nil {
		e.fail(check, err, "choose another address with --listen")
		return
	}
	if err := l.Close(); err != nil {
		e.fail(check, err, "")
		return
	}
	e.warn(check, `"berth serve" starts it`, "no server runs at %s; the address is free", address)
}

func (e *examination) external(ctx context.Context) {
	const check = "external URL"
	if e.cfg.ExternalURL == "" {
		e.ok(check, "not set: clients are told the address that they used")
		return
	}
	if err := e.ask(ctx, e.cfg.ExternalURL); err != nil {
		e.fail(check, err, "see that the name leads here, and what any proxy on the way says")
		return
	}
	e.ok(check, "a server answers at %s", e.cfg.ExternalURL)
}

// size writes a number of bytes for people.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
