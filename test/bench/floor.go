package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// serveFloor is the least that taking and giving one blob needs: stream, hash,
// sync, rename; send the file. It keeps no books and checks no rights. How near
// a registry comes to it is how little it adds.
func serveFloor(address, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var uploads atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /v2/{project}/{name}/blobs/uploads/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Path+strconv.FormatInt(uploads.Add(1), 10))
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("PATCH /v2/{project}/{name}/blobs/uploads/{id}", func(w http.ResponseWriter, r *http.Request) {
		digest, err := receive(filepath.Join(dir, r.PathValue("id")), r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Location", r.URL.Path+"?is="+digest)
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("PUT /v2/{project}/{name}/blobs/uploads/{id}", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("digest") != q.Get("is") {
			http.Error(w, "another digest", http.StatusBadRequest)
			return
		}
		if err := os.Rename(filepath.Join(dir, r.PathValue("id")), filepath.Join(dir, name(q.Get("digest")))); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /v2/{project}/{name}/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(dir, name(r.PathValue("digest"))))
	})
	return http.ListenAndServe(address, mux)
}

// name is a digest as the name of a file, and of no other folder's.
func name(digest string) string { return filepath.Base(strings.ReplaceAll(digest, ":", "-")) }

func receive(path string, body io.Reader) (digest string, err error) {
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.CopyBuffer(io.MultiWriter(h, f), body, make([]byte, 1<<20)); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), f.Sync()
}
