package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// soon is how long before its end a certificate is worth a word.
const soon = 14 * 24 * time.Hour

// validity tells whether a certificate is good now, and for how long.
func (e *examination) validity(check string, cert *x509.Certificate, what, advice string) {
	now := time.Now()
	until := cert.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case now.Before(cert.NotBefore):
		e.fail(check, fmt.Errorf("%s is not good before %s", what, cert.NotBefore.UTC().Format(time.RFC3339)), "set the clock, or wait")
	case now.After(cert.NotAfter):
		e.fail(check, fmt.Errorf("%s expired at %s", what, until), advice)
	case now.Add(soon).After(cert.NotAfter):
		e.warn(check, advice, "%s expires at %s", what, until)
	default:
		e.ok(check, "%s is good until %s", what, until)
	}
}

func parseCertificates(text []byte) (certs []*x509.Certificate, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("certificate: there is none")
	}
	return certs, nil
}

// ask returns nil where a server at a URL answers as this one does, and is well.
func (e *examination) ask(ctx context.Context, address string) error {
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: e.trust(address), DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	address = strings.TrimSuffix(address, "/")
	var health struct {
		Status     string
		Components []struct{ Name, Status string }
	}
	if err := get(ctx, client, address+"/api/v2.0/health", http.StatusOK, &health); err != nil {
		return err
	}
	for _, c := range health.Components {
		if c.Status != "healthy" {
			return fmt.Errorf("%s: the server says that its %s is %s; its log says why", address, c.Name, c.Status)
		}
	}
	return get(ctx, client, address+"/v2/", http.StatusUnauthorized, nil)
}

// get asks for a URL, and reads its answer as JSON into out where that is not
// nil.
func get(ctx context.Context, client *http.Client, address string, status int, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(http.MaxBytesReader(nil, resp.Body, 1<<20)); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	if resp.StatusCode != status {
		return fmt.Errorf("%s answers %s, not %d: is it this server?", address, resp.Status, status)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body.Bytes(), out); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return nil
}

// trust returns how to know the server: its certificate's own files are to be
// trusted at its own address, where it need not have a name.
func (e *examination) trust(address string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.cfg.TLS.Certificate == "" || address != e.cfg.local(e.cfg.Listen) {
		return c
	}
	text, err := os.ReadFile(e.cfg.TLS.Certificate)
	if err != nil {
		return c // the handshake will fail, and say so
	}
	c.RootCAs = x509.NewCertPool()
	c.RootCAs.AppendCertsFromPEM(text)
	if certs, err := parseCertificates(text); err == nil && len(certs[0].DNSNames) > 0 {
		c.ServerName = certs[0].DNSNames[0]
	}
	return c
}

// refused reports whether nobody listens.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
