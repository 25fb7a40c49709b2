package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// serveOn serves a handler on a listener of ours and returns its address.
func serveOn(t *testing.T, h http.Handler, stall time.Duration, most int) string {
	t.Helper()
	l, err := listen(context.Background(), "127.0.0.1:0", stall, most)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); err != http.ErrServerClosed {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return l.Addr().String()
}

func TestFilesAndBytesArriveWhole(t *testing.T) {
	content := make([]byte, 5*chunk+12345)
	_, _ = rand.Read(content)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	address := serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bytes" {
			_, _ = w.Write(content)
			return
		}
		http.ServeFile(w, r, name)
	}), time.Minute, 0)
	for _, path := range []string{"/file", "/bytes"} {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || sha256.Sum256(got) != sha256.Sum256(content) {
			t.Errorf("%s: %d of %d bytes, or other ones: %v", path, len(got), len(content), err)
		}
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+address+"/file", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=1000000-3000000")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, content[1000000:3000001]) {
		t.Errorf("a range of %d bytes, or other ones: %v", len(got), err)
	}
}

// begin opens a connection and asks for something.
func begin(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientThatTakesNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	ended := make(chan error, 1)
	address := serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.Copy(w, endless{})
		ended <- err
	}), stall, 0)
	began := time.Now()
	begin(t, address)
	select {
	case err := <-ended:
		if err == nil || time.Since(began) < stall/2 {
			t.Errorf("ended after %s with %v", time.Since(began), err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a client that takes nothing is served for ever")
	}
}

func TestClientThatTakesSlowlyIsServed(t *testing.T) {
	t.Parallel()
	const stall = time.Second
	const size = 12 << 20
	address := serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, endless{}, size)
	}), stall, 0)
	began := time.Now()
	c := begin(t, address)
	var got int
	buf := make([]byte, 2<<20)
	for got < size {
		n, err := io.ReadAtLeast(c, buf, min(len(buf), size-got))
		got += n
		if err != nil {
			t.Fatalf("cut after %d bytes and %s: %v", got, time.Since(began), err)
		}
		time.Sleep(stall / 3)
	}
	if time.Since(began) < stall*3/2 {
		t.Fatal("the test was too fast to say anything")
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	address := serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}), time.Minute, 1)
	answered := func(c net.Conn, within time.Duration) bool {
		if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	}
	first, second := begin(t, address), begin(t, address)
	if !answered(first, 10*time.Second) {
		t.Fatal("the first connection is not answered")
	}
	if answered(second, 200*time.Millisecond) {
		t.Fatal("a second connection is answered beside the first")
	}
	first.Close()
	if !answered(second, 10*time.Second) {
		t.Fatal("the second connection is not answered when the first is gone")
	}
}
