package registry

import (
	"bytes"
	"context"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/oci"
)

// keepTimeout bounds how long it may take to keep what arrived, which is kept
// even if the client has gone away.
const keepTimeout = 30 * time.Second

// Any is an Append offset that accepts the upload wherever it stands.
const Any int64 = -1

// A Chunk is a piece of content. Size is its announced length in bytes, or -1
// where none was announced; From is where it begins, or Any.
type Chunk struct {
	From int64
	Size int64
	Body io.Reader
}

// admit asks the gate about content of which so many bytes are here and a chunk
// is to come. The digest is empty where the client has not said it.
func (s *Service) admit(ctx context.Context, repo artifact.Repo, d oci.Digest, here int64, c Chunk) error {
	if s.cfg.Gate == nil {
		return nil
	}
	size := here + max(c.Size, 0)
	if size < here {
		size = math.MaxInt64
	}
	return s.cfg.Gate.CheckBlob(ctx, repo, d, size)
}

// BeginUpload starts an upload whose hash is expected to be of the algorithm a.
func (s *Service) BeginUpload(ctx context.Context, repo artifact.Repo, a oci.Algorithm) (Upload, error) {
	u := Upload{ID: uuid.NewString(), Repo: repo, Principal: access.From(ctx).Principal(), Algorithm: a, At: time.Now()}
	return u, s.store.Begin(ctx, u)
}

// Upload returns an upload of the repository and the caller, or
// ErrUploadUnknown.
func (s *Service) Upload(ctx context.Context, repo artifact.Repo, id string) (Upload, error) {
	if uuid.Validate(id) != nil {
		return Upload{}, ErrUploadUnknown // and may be no text that a database takes
	}
	u, err := s.store.Upload(ctx, id)
	if err != nil {
		return Upload{}, err
	}
	if u.Repo != repo || u.Principal != access.From(ctx).Principal() {
		return Upload{}, ErrUploadUnknown
	}
	return u, nil
}

// Append adds a chunk to an upload. What arrived before a failure is kept, so
// that the client may go on from there: the upload that is returned says where
// it stands. It returns ErrUploadRange, with the upload, for a chunk that does
// not begin there.
func (s *Service) Append(ctx context.Context, repo artifact.Repo, id string, c Chunk) (Upload, error) {
	release, ok := s.writing.take(ctx, repo, id)
	if !ok {
		return Upload{}, ErrUploadBusy
	}
	defer release()
	u, err := s.Upload(ctx, repo, id)
	if err != nil {
		return Upload{}, err
	}
	if c.From != Any && c.From != u.Size {
		return u, ErrUploadRange.With("it stands at %d, the chunk begins at %d", u.Size, c.From)
	}
	if c.Size > 0 {
		if err := s.admit(ctx, repo, "", u.Size, c); err != nil {
			return u, err
		}
	}
	in, err := s.resume(ctx, u)
	if err != nil {
		return u, err
	}
	failed := in.copy(c)
	ctx, cancel := lasting(ctx)
	defer cancel()
	after, err := s.keep(ctx, u, in)
	if err != nil {
		return u, err
	}
	return after, failed
}

// lasting returns a context that does not end with the client's patience, for
// what must not be left half done.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
}

// Finish adds a last chunk to an upload, checks the digest of the whole, and
// lets the repository serve it. Where the digest is not the one given, the
// upload stands where it stood before, or is gone if that was found only by
// reading it again.
func (s *Service) Finish(ctx context.Context, repo artifact.Repo, id string, d oci.Digest, c Chunk) (Blob, error) {
	release, ok := s.writing.take(ctx, repo, id)
	if !ok {
		return Blob{}, ErrUploadBusy
	}
	defer release()
	u, err := s.Upload(ctx, repo, id)
	if err != nil {
		return Blob{}, err
	}
	if c.From != Any && c.From != u.Size {
		return Blob{}, ErrUploadRange.With("it stands at %d, the chunk begins at %d", u.Size, c.From)
	}
	if err := s.admit(ctx, repo, d, u.Size, c); err != nil {
		return Blob{}, err
	}
	if u.Size == 0 {
		u.Algorithm, u.Hash = d.Algorithm(), nil
	}
	in, err := s.resume(ctx, u)
	if err != nil {
		return Blob{}, err
	}
	if err := in.copy(c); err != nil {
		return Blob{}, errors.Join(err, in.leave(u))
	}
	return s.commit(ctx, u, in, d)
}

// PushBlob stores a blob whose digest is known from the start, in one step.
func (s *Service) PushBlob(ctx context.Context, repo artifact.Repo, d oci.Digest, c Chunk) (Blob, error) {
	if err := s.admit(ctx, repo, d, 0, c); err != nil {
		return Blob{}, err
	}
	u := Upload{ID: uuid.NewString(), Repo: repo, Algorithm: d.Algorithm()}
	w, err := s.bytes.Begin(ctx, u.ID)
	if err != nil {
		return Blob{}, fmt.Errorf("begin upload: %w", err)
	}
	return s.receive(ctx, u, &input{Writer: w, hash: u.Algorithm.New()}, d, c)
}

// Put stores content as a blob, and returns its descriptor of a media type.
func (s *Service) Put(ctx context.Context, repo artifact.Repo, mediaType string, content []byte) (oci.Descriptor, error) {
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.Sum(oci.SHA256, content), Size: int64(len(content))}
	_, err := s.PushBlob(ctx, repo, d.Digest, Chunk{From: Any, Size: d.Size, Body: bytes.NewReader(content)})
	return d, err
}

// receive takes all of a blob into an upload that nobody else knows.
func (s *Service) receive(ctx context.Context, u Upload, in *input, d oci.Digest, c Chunk) (Blob, error) {
	if err := in.copy(c); err != nil {
		return Blob{}, errors.Join(err, in.leave(u))
	}
	b, err := s.commit(ctx, u, in, d)
	if err != nil {
		// Nobody knows the upload's id, so that nobody could finish it.
		err = errors.Join(err, s.bytes.Abort(ctx, u.ID, nil))
	}
	return b, err
}

// CancelUpload forgets an upload and its bytes.
func (s *Service) CancelUpload(ctx context.Context, repo artifact.Repo, id string) error {
	release, ok := s.writing.take(ctx, repo, id)
	if !ok {
		return ErrUploadBusy
	}
	defer release()
	u, err := s.Upload(ctx, repo, id)
	if err != nil {
		return err
	}
	if err := s.store.Cancel(ctx, id); err != nil {
		return err
	}
	return s.bytes.Abort(ctx, id, u.Parts)
}

// commit makes the content durable, and only then known. From the moment when
// its bytes are no longer those of an upload it does not stop, so that a client
// that goes away leaves no content that nobody knows.
func (s *Service) commit(ctx context.Context, u Upload, in *input, d oci.Digest) (Blob, error) {
	same := d.Algorithm() == u.Algorithm
	if got := in.digest(u.Algorithm); same && got != d {
		return Blob{}, errors.Join(ErrDigest.With("given %s, found %s", d, got), in.leave(u))
	}
	b := Blob{Digest: d, Size: in.Size()}
	var err error
	if b.Key, err = in.Commit(ctx, d); err != nil {
		return Blob{}, fmt.Errorf("commit %s: %w", d, err)
	}
	if !same {
		err = s.verify(ctx, b)
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err != nil {
		// No row leads to these bytes, and none will.
		return Blob{}, errors.Join(err, s.store.Cancel(ctx, u.ID), s.bytes.Delete(ctx, b.Key))
	}
	kept, err := s.store.Finish(ctx, u, b)
	if err != nil {
		// Whether the row was written is not known after a failure of the
		// database: bytes without a row are garbage that can be found, a row
		// without bytes is a loss. So they stay.
		return Blob{}, err
	}
	if kept != b.Key {
		if err := s.bytes.Delete(ctx, b.Key); err != nil {
			return Blob{}, fmt.Errorf("delete duplicate of %s: %w", d, err)
		}
	}
	b.Key = kept
	return b, nil
}

// verify reads content whose digest could not be computed while it arrived,
// because the client named another algorithm, or none, at the start.
func (s *Service) verify(ctx context.Context, b Blob) error {
	r, err := s.bytes.Open(ctx, b.Key)
	if err != nil {
		return err
	}
	defer r.Close()
	h := b.Digest.Algorithm().New()
	if _, err := io.Copy(h, r); err != nil {
		return fmt.Errorf("read back %s: %w", b.Digest, err)
	}
	if got := oci.NewDigest(b.Digest.Algorithm(), h.Sum(nil)); got != b.Digest {
		return ErrDigest.With("given %s, found %s", b.Digest, got)
	}
	return nil
}

func (s *Service) resume(ctx context.Context, u Upload) (*input, error) {
	h, err := hashAt(u)
	if err != nil {
		return nil, err
	}
	var w blob.Writer
	if u.Size == 0 {
		w, err = s.bytes.Begin(ctx, u.ID)
	} else {
		w, err = s.bytes.Resume(ctx, u.ID, u.Size, u.Parts)
	}
	if errors.Is(err, blob.ErrUploadUnknown) {
		return nil, ErrUploadUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("resume upload: %w", err)
	}
	return &input{Writer: w, hash: h}, nil
}

// keep records how far an upload came.
func (s *Service) keep(ctx context.Context, u Upload, in *input) (Upload, error) {
	state, err := in.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return u, fmt.Errorf("keep hash: %w", err)
	}
	after := u
	after.Size, after.Hash, after.At = in.Size(), state, time.Now()
	if after.Parts, err = in.Pause(); err != nil {
		return u, fmt.Errorf("keep upload: %w", err)
	}
	if err := s.store.Advance(ctx, after, u.Size); err != nil {
		return u, err
	}
	return after, nil
}

func hashAt(u Upload) (hash.Hash, error) {
	h := u.Algorithm.New()
	if u.Size == 0 {
		return h, nil
	}
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(u.Hash); err != nil {
		return nil, fmt.Errorf("hash of upload %s: %w", u.ID, err)
	}
	return h, nil
}

// An input hashes in the same pass that writes.
type input struct {
	blob.Writer
	hash hash.Hash
}

// leave ends the writing with the upload where it stood before. What cannot be
// gone on with does not take room.
func (in *input) leave(u Upload) error {
	if u.Size == 0 {
		return in.Cancel()
	}
	_, err := in.Pause()
	return err
}

func (in *input) digest(a oci.Algorithm) oci.Digest { return oci.NewDigest(a, in.hash.Sum(nil)) }

const bufferSize = 256 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// copy takes a whole chunk in, and no more than was announced. Only what was
// written is hashed. It tells the client's failures (ErrSize, ErrUploadBroken)
// from the server's.
func (in *input) copy(c Chunk) error {
	if c.Size == 0 {
		return nil
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var n int64
	for {
		read, rerr := fill(c.Body, *buf)
		over := c.Size > 0 && int64(read) > c.Size-n
		if over {
			read = int(c.Size - n)
		}
		if read > 0 {
			wrote, werr := in.Write((*buf)[:read])
			in.hash.Write((*buf)[:wrote])
			n += int64(wrote)
			if werr != nil {
				return fmt.Errorf("write upload: %w", werr)
			}
		}
		if over {
			return ErrSize.With("%d bytes were announced, more came", c.Size)
		}
		if errors.Is(rerr, io.EOF) {
			break
		}
		if rerr != nil {
			return ErrUploadBroken.Because(rerr)
		}
	}
	if c.Size > 0 && n != c.Size {
		return ErrSize.With("%d bytes were announced, %d came", c.Size, n)
	}
	return nil
}

// fill reads until the buffer is full or the reader fails, since what comes from
// a network comes in small pieces.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var read int
		read, err = r.Read(buf[n:])
		n += read
	}
	return n, err
}

// writers knows the uploads that a request is writing to.
type writers struct {
	mu   sync.Mutex
	busy map[claim]bool
}

// A claim is an upload as a request names it. Whom the upload does not belong to
// has another claim, and so can neither hold it up nor see that it is busy.
type claim struct {
	repo          artifact.Repo
	principal, id string
}

func (w *writers) take(ctx context.Context, repo artifact.Repo, id string) (release func(), ok bool) {
	c := claim{repo, access.From(ctx).Principal(), id}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[c] {
		return nil, false
	}
	w.busy[c] = true
	return func() {
		w.mu.Lock()
		delete(w.busy, c)
		w.mu.Unlock()
	}, true
}
