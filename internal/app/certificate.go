package app

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often the files of the certificate are looked at, at
// most.
const certificateCheck = time.Second

// A certificate is the server's, read from files again when they change. Files
// that cannot be used leave the one that is known in place.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	known   *tls.Certificate
	stamp   string // of the files as they were last read
	checked time.Time
}

func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	return c, c.load()
}

// config returns a TLS configuration that asks for the certificate at each
// handshake.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= certificateCheck {
		c.checked = now
		if c.current() != c.stamp {
			c.tryLoad()
		}
	}
	return c.known, nil
}

// reload reads the files now.
func (c *certificate) reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tryLoad()
}

func (c *certificate) tryLoad() {
	if err := c.load(); err != nil {
		c.log.Error("the TLS certificate could not be read again; the one in use stays", "error", err)
		return
	}
	c.log.Info("TLS certificate read again", "expires", c.known.Leaf.NotAfter)
}

func (c *certificate) load() error {
	c.stamp = c.current()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load TLS certificate: %w", err)
	}
	c.known = &pair
	return nil
}

// current returns what tells one state of the files from another.
func (c *certificate) current() string {
	var s string
	for _, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			s += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
		}
	}
	return s
}
