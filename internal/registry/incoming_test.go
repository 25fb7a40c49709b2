package registry_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/blob/blobtest"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// receive begins to receive content as d, which comes as the pipe gives it.
func (h *house) receive(d oci.Digest, size int) (in *registry.Incoming, pipe *io.PipeWriter, over chan error) {
	h.t.Helper()
	body, pipe := io.Pipe()
	begun, over := make(chan *registry.Incoming, 1), make(chan error, 1)
	go func() {
		over <- h.Receive(h.ctx, h.repo, d, registry.Chunk{Size: int64(size), Body: body}, func(in *registry.Incoming) { begun <- in })
	}()
	return <-begun, pipe, over
}

func (h *house) reader(in *registry.Incoming) blob.Reader {
	h.t.Helper()
	r, ok := in.Open(h.ctx)
	if !ok {
		h.t.Fatal("it is over")
	}
	h.t.Cleanup(func() { r.Close() })
	return r
}

func TestABlobIsReadWhileItComes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		content := blobtest.Content(5, 3<<20)
		digest := oci.Sum(oci.SHA256, content)
		in, pipe, over := h.receive(digest, len(content))
		early, late := h.reader(in), h.reader(in)
		if _, err := pipe.Write(content[:1<<20]); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1<<19)
		if _, err := io.ReadFull(early, first); err != nil || !bytes.Equal(first, content[:1<<19]) {
			t.Fatalf("the first bytes are not there: %v", err)
		}
		go func() {
			_, _ = pipe.Write(content[1<<20:])
			pipe.Close()
		}()
		rest, err := io.ReadAll(early)
		if err != nil || !bytes.Equal(rest, content[1<<19:]) {
			t.Errorf("%d bytes: %v", len(rest), err)
		}
		if err := <-over; err != nil {
			t.Fatal(err)
		}
		if _, err := late.Seek(-7, io.SeekEnd); err != nil {
			t.Fatal(err)
		}
		if end, err := io.ReadAll(late); err != nil || !bytes.Equal(end, content[len(content)-7:]) || late.Size() != int64(len(content)) {
			t.Errorf("the end: %q, %v", end, err)
		}
		early.Close()
		late.Close()
		if _, ok := in.Open(h.ctx); ok {
			t.Error("it is read after its end")
		}
		if b, err := h.StatBlob(h.ctx, h.repo, digest, false); err != nil || b.Size != int64(len(content)) {
			t.Errorf("%+v, %v", b, err)
		}
	})
}

// TestWhatIsWrongIsNeverRead gives other content than was asked for, and less.
func TestWhatIsWrongIsNeverRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		content := blobtest.Content(6, 1<<20)
		digest := oci.Sum(oci.SHA256, content)
		other := bytes.Clone(content)
		other[77]++
		h := open(t, d, nil)
		for name, c := range map[string]struct {
			sent []byte
			want error
		}{"other": {other, registry.ErrDigest}, "less": {content[:1<<19], registry.ErrSize}, "more": {append(bytes.Clone(content), 1), registry.ErrSize}} {
			in, pipe, over := h.receive(digest, len(content))
			r := h.reader(in)
			go func() {
				_, _ = pipe.Write(c.sent)
				pipe.Close()
			}()
			got, err := io.ReadAll(r)
			if !errors.Is(err, c.want) || len(got) >= len(content) {
				t.Errorf("%s: %d bytes were read: %v", name, len(got), err)
			}
			pipe.CloseWithError(io.ErrClosedPipe)
			if err := <-over; !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
			r.Close()
			if _, err := h.StatBlob(h.ctx, h.repo, digest, false); !errors.Is(err, registry.ErrBlobUnknown) {
				t.Errorf("%s: it is kept: %v", name, err)
			}
		}
	})
}
