// Package fault says what went wrong in terms of what the caller can do about
// it. It knows nothing of HTTP: serve/web owns the only table from kinds to
// status codes. An error that is not a fault is an internal error, whose text
// never leaves the server.
package fault

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A Kind is what the caller can do about a fault.
type Kind uint8

// The kinds of fault. The zero Kind is Internal, so that a forgotten kind
// reveals nothing.
const (
	Internal        Kind = iota // nothing: it is the server's own failure
	Invalid                     // mend the request
	Unauthenticated             // say who you are, and try again
	Denied                      // ask somebody for the right
	NotFound                    // look elsewhere
	Conflict                    // look at what is there, and decide again
	Precondition                // change something else first
	TooLarge                    // send less
	TooMany                     // wait, and try again
	Unsupported                 // do without
	Unavailable                 // try again later
	OutOfRange                  // ask where the content stands, and go on from there
)

// A Fault is a failure that the caller may be told of. Features declare theirs
// as package variables and return them refined by With, Detailed or Because;
// errors.Is finds the declared one in any refinement.
type Fault struct {
	Kind    Kind
	Code    string // stable, upper case, for programs: "NAME_UNKNOWN"
	Message string // for people, without a full stop
	Detail  any    // further facts for programs, or nil

	base  *Fault
	cause error
}

// New declares a fault.
func New(kind Kind, code, message string) *Fault {
	return &Fault{Kind: kind, Code: code, Message: message}
}

// OfKind reports whether an error is a fault of a kind, or was led to by one.
func OfKind(err error, k Kind) bool {
	var f *Fault
	return errors.As(err, &f) && f.Kind == k
}

// Error returns the message, and the cause where there is one.
func (f *Fault) Error() string {
	if f.cause != nil {
		return f.Message + ": " + f.cause.Error()
	}
	return f.Message
}

// Is reports whether f is target or a refinement of it.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && (f == t || f.root() == t.root())
}

// Unwrap returns the cause, which is for the log and not for the caller.
func (f *Fault) Unwrap() error { return f.cause }

// With returns f with ": " and the formatted text behind its message.
func (f *Fault) With(format string, args ...any) *Fault {
	g := f.copy()
	g.Message = f.Message + ": " + fmt.Sprintf(format, args...)
	return g
}

// Saying returns f with another message.
func (f *Fault) Saying(format string, args ...any) *Fault {
	g := f.copy()
	g.Message = fmt.Sprintf(format, args...)
	return g
}

// Detailed returns f with facts for programs. What is given here is sent to
// the caller.
func (f *Fault) Detailed(detail any) *Fault {
	g := f.copy()
	g.Detail = detail
	return g
}

// retryAfter is the fact that says in how many seconds to try again.
const retryAfter = "retry_after"

// Later returns f with the fact when to try again: in whole seconds, at least one.
func (f *Fault) Later(after time.Duration) *Fault {
	return f.Detailed(map[string]int{retryAfter: max(1, int(math.Ceil(after.Seconds())))})
}

// After returns when an error says to try again, or 0 where it does not.
func After(err error) time.Duration {
	var f *Fault
	if !errors.As(err, &f) {
		return 0
	}
	seconds, _ := f.Detail.(map[string]int)
	return time.Duration(max(0, seconds[retryAfter])) * time.Second
}

// Because returns f with the error that led to it, for the log.
func (f *Fault) Because(err error) *Fault {
	g := f.copy()
	g.cause = err
	return g
}

func (f *Fault) copy() *Fault {
	g := *f
	g.base = f.root()
	return &g
}

func (f *Fault) root() *Fault {
	if f.base != nil {
		return f.base
	}
	return f
}
