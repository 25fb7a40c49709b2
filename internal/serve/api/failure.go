package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/serve/web"
)

// A failure is an answer that reports an error, in the form that huma writes.
type failure struct {
	web.Problems
	status int
	header http.Header
}

// GetStatus, Error and GetHeaders make a failure a huma.StatusError and a
// huma.HeadersError.
func (f *failure) GetStatus() int { return f.status }

func (f *failure) Error() string { return f.Errors[0].Message }

func (f *failure) GetHeaders() http.Header { return f.header }

// ContentType is that of a failure on the wire; the document, which is made of
// one without a status, has no charset.
func (f *failure) ContentType(plain string) string {
	if f.status == 0 {
		return plain
	}
	return plain + "; charset=utf-8"
}

// codes are what this API calls faults that the distribution API, which has them
// too, has names of its own for.
var codes = []struct {
	fault *fault.Fault
	code  string
}{
	{artifact.ErrRepositoryUnknown, "NOT_FOUND"},
	{artifact.ErrUnknown, "NOT_FOUND"},
	{artifact.ErrReferenced, "VIOLATE_FOREIGN_KEY_CONSTRAINT"},
	{registry.ErrBlobUnknown, "NOT_FOUND"},
	{oci.ErrTagInvalid, "BAD_REQUEST"},
	{oci.ErrNameInvalid, "BAD_REQUEST"},
}

// failed turns what a handler returned into the answer.
func failed(ctx context.Context, err error) *failure {
	status, header, body := web.Answer(ctx, err)
	for _, c := range codes {
		if status < http.StatusInternalServerError && errors.Is(err, c.fault) {
			body.Errors[0].Code = c.code
		}
	}
	return &failure{body, status, header}
}

// problem is one that only a status stands for.
func problem(status int, message string) web.Problem {
	code := strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_"))
	return web.Problem{Code: code, Message: message}
}

// adoptErrors has huma write our errors in place of its own, and describe lists
// as they are: never null. Both are variables of its package, so they are set
// once in a process.
var adoptErrors = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false
	huma.NewErrorWithContext = func(c huma.Context, status int, message string, errs ...error) huma.StatusError {
		return unreadable(c.Context(), status, message, errs)
	}
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return unreadable(context.Background(), status, message, errs)
	}
})

// unreadable is the answer to a request that huma could not read, or that
// breaks a rule of the document. Handlers' errors do not come here.
func unreadable(ctx context.Context, status int, message string, errs []error) *failure {
	if status >= http.StatusInternalServerError {
		return failed(ctx, fmt.Errorf("api: %s: %w", message, errors.Join(errs...)))
	}
	if status == http.StatusBadRequest {
		status = http.StatusUnprocessableEntity
	}
	texts := make([]string, 0, maxComplaints)
	for _, err := range errs[:min(len(errs), maxComplaints)] {
		texts = append(texts, complaint(err))
	}
	if len(texts) > 0 {
		message = strings.Join(texts, "; ")
	}
	return &failure{web.Problems{Errors: []web.Problem{problem(status, message)}}, status, nil}
}

// complaint says what is wrong with which part of a request, and not what was
// sent: that may be a password.
func complaint(err error) string {
	var d huma.ErrorDetailer
	if !errors.As(err, &d) {
		return err.Error()
	}
	detail := d.ErrorDetail()
	place, field, ok := strings.Cut(detail.Location, ".")
	if ok {
		place = field + " in " + place
	}
	if strings.HasPrefix(detail.Message, "required ") {
		return place + " is required"
	}
	return place + ": " + detail.Message
}

// What a body may hold and a complaint of it repeat: a request must not be small
// and its answer, or what is kept meanwhile, large.
const (
	maxValues     = 100_000
	maxComplaints = 5
)

// jsonFormat is how bodies are read and written. An answer is made whole before
// the first of it is sent.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return err
		}
		// A client that is gone cannot be told.
		_, _ = w.Write(out.Bytes())
		return nil
	},
	Unmarshal: func(data []byte, v any) error {
		if bytes.Count(data, []byte(",")) > maxValues {
			return errors.New("too many values")
		}
		err := json.Unmarshal(data, v)
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return fmt.Errorf("%s cannot be a %s", kind.Field, kind.Value)
		}
		if err != nil {
			return errors.New("malformed JSON")
		}
		return nil
	},
}
