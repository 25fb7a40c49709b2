package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// upload is what became of a request's body.
type upload struct {
	n   int64
	err error
}

func serveUploads(t *testing.T, stall time.Duration) (address string, ended chan upload, received *int) {
	ended, received = make(chan upload, 1), new(int)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		ended <- upload{n, err}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		time.Sleep(2 * stall) // an answer may take its time, with the client still there
		if r.Context().Err() != nil {
			t.Error("the request was given up while it was answered")
		}
	})
	return serveOn(t, unstall(h, stall, func(n int) { *received += n }), time.Minute, 0), ended, received
}

// put opens a connection and begins an upload.
func put(t *testing.T, address, header string) net.Conn {
	t.Helper()
	return putTo(t, address, "/v2/library/app/blobs/uploads/1", header)
}

func putTo(t *testing.T, address, path, header string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", path, header); err != nil {
		t.Fatal(err)
	}
	return c
}

func status(t *testing.T, c net.Conn) int {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestUploadThatStandsStillIsEnded(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		t.Run(header, func(t *testing.T) {
			const stall = 200 * time.Millisecond
			address, ended, _ := serveUploads(t, stall)
			began := time.Now()
			c := put(t, address, header)
			select {
			case u := <-ended:
				if u.err == nil || time.Since(began) < stall/2 {
					t.Errorf("ended after %s with %v", time.Since(began), u.err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("an upload without a byte goes on for ever")
			}
			if got := status(t, c); got != http.StatusBadRequest {
				t.Errorf("answered %d", got)
			}
		})
	}
}

func TestUploadThatMovesGoesOn(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v2/library/app/blobs/uploads/1", "/api/chartrepo/library/charts"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			const stall = 800 * time.Millisecond
			const bytes = 12
			address, ended, received := serveUploads(t, stall)
			c := putTo(t, address, path, fmt.Sprintf("Content-Length: %d", bytes))
			for range bytes {
				time.Sleep(stall / 4)
				if _, err := c.Write([]byte{'x'}); err != nil {
					t.Fatal(err)
				}
			}
			if u := <-ended; u.err != nil || u.n != bytes {
				t.Errorf("%d bytes: %v", u.n, u.err)
			}
			if got := status(t, c); got != http.StatusOK {
				t.Errorf("answered %d", got)
			}
			if *received != bytes {
				t.Errorf("%d bytes were counted", *received)
			}
		})
	}
}

// TestAFormThatTricklesInIsEnded: anybody may send one, and with a byte now and
// then could keep the server waiting for ever. So could those who send charts,
// of which few are received at once.
func TestAFormThatTricklesInIsEnded(t *testing.T) {
	t.Parallel()
	for path, least := range map[string]time.Duration{"/c/login": 1, "/api/chartrepo/library/charts": chartStalls} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			const stall = 400 * time.Millisecond
			address, ended, _ := serveUploads(t, stall)
			began := time.Now()
			c := putTo(t, address, path, "Content-Length: 1000000")
			go func() {
				for {
					if _, err := c.Write([]byte{'x'}); err != nil {
						return
					}
					time.Sleep(stall / 8)
				}
			}()
			select {
			case u := <-ended:
				if u.err == nil || u.n == 0 || time.Since(began) < least*stall/2 {
					t.Errorf("ended after %s and %d bytes with %v", time.Since(began), u.n, u.err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it goes on for ever")
			}
		})
	}
}

// TestABodyThatIsNotReadIsNotWaitedForInVain: before it answers, the server itself
// reads what a handler left of a small body, that of a refused request above all.
func TestABodyThatIsNotReadIsNotWaitedForInVain(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	address := serveOn(t, unstall(refuse, stall, func(int) {}), time.Minute, 0)
	for _, header := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		c := put(t, address, header)
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %v, %v", header, resp, err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the connection stays: %v", header, err)
		}
	}
}

// TestABodyThatHasArrivedMayBeReadLate: who sent it is perhaps looked for in a
// directory first.
func TestABodyThatHasArrivedMayBeReadLate(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(2 * stall)
		if text, err := io.ReadAll(r.Body); err != nil || string(text) != "abc" {
			t.Errorf("%q, %v", text, err)
		}
	})
	address := serveOn(t, unstall(late, stall, func(int) {}), time.Minute, 0)
	c := putTo(t, address, "/api", "Content-Length: 3")
	if _, err := io.WriteString(c, "abc"); err != nil {
		t.Fatal(err)
	}
	if got := status(t, c); got != http.StatusOK {
		t.Errorf("answered %d", got)
	}
	client, url := serveTwo(t, late, stall)
	resp, err := client.Post(url, "text/plain", strings.NewReader("abc"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestConnectionIsGoodForMoreAfterAnUpload(t *testing.T) {
	t.Parallel()
	const stall = 100 * time.Millisecond
	address, ended, _ := serveUploads(t, stall)
	c := put(t, address, "Content-Length: 3")
	for i := range 2 {
		if i > 0 {
			time.Sleep(2 * stall) // idle, which has a limit of its own
			if _, err := io.WriteString(c, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.WriteString(c, "abc"); err != nil {
			t.Fatal(err)
		}
		if u := <-ended; u.err != nil {
			t.Fatal(u.err)
		}
		if got := status(t, c); got != http.StatusOK {
			t.Fatalf("answered %d", got)
		}
	}
}

// serveTwo serves a handler by HTTP/2 and returns a client of one connection.
func serveTwo(t *testing.T, h http.Handler, stall time.Duration) (*http.Client, string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(unstall(h, stall, func(int) {}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.Client(), srv.URL
}

func TestUploadOverHTTP2ThatStandsStillIsEnded(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	ended := make(chan upload, 1)
	client, url := serveTwo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("it is %s", r.Proto)
		}
		n, err := io.Copy(io.Discard, r.Body)
		ended <- upload{n, err}
	}), stall)
	out, in := io.Pipe()
	defer in.Close()
	go func() { _, _ = in.Write([]byte("begin")) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, out)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	select {
	case u := <-ended:
		if u.err == nil || u.n != int64(len("begin")) {
			t.Errorf("%d bytes: %v", u.n, u.err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("an upload without a byte goes on for ever")
	}
}

func TestDownloadOverHTTP2IsEndedWhenItStandsStillAndOnlyThen(t *testing.T) {
	t.Parallel()
	const stall = 900 * time.Millisecond
	const size = 24 << 20
	ended := make(chan error, 1)
	client, url := serveTwo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.CopyN(w, endless{}, size)
		ended <- err
	}), stall)
	for _, slowly := range []bool{false, true} {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if slowly {
			for range 6 {
				if _, err := io.CopyN(io.Discard, resp.Body, size/6); err != nil {
					t.Fatal(err)
				}
				time.Sleep(stall / 3)
			}
		}
		select {
		case err := <-ended:
			if (err == nil) != slowly {
				t.Errorf("slowly %t: %v", slowly, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a client that takes nothing is served for ever")
		}
	}
}
