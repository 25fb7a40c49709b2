package job

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// maxLog is how many bytes of log a task may write, which is a line for each
	// of 100,000 artifacts, and logChunk how many of them are kept in one row.
	maxLog   = 32 << 20
	logChunk = 32 << 10
	// logDelay is how long a line may be seen only by who wrote it.
	logDelay = time.Second
	// maxLine is how many bytes of a line are kept.
	maxLine = 8 << 10
)

// A LogStore keeps what tasks write while they run.
type LogStore interface {
	// Append adds text to the log of a task, and says how many bytes it then has.
	Append(ctx context.Context, task int64, text string) (size int64, err error)
	// Read returns the log of a task from a byte on, at most n bytes of it.
	Read(ctx context.Context, task, from int64, n int) (string, error)
}

// A taskLog gathers lines, and keeps them a second later at the latest, or when
// they are many. Safe for concurrent use.
type taskLog struct {
	ctx   context.Context //nolint:containedctx // of the run, which the log is a part of
	store LogStore
	task  int64

	mu      sync.Mutex
	pending strings.Builder
	written int
	timer   *time.Timer
}

func newLog(ctx context.Context, store LogStore, task int64) *taskLog {
	return &taskLog{ctx: ctx, store: store, task: task}
}

func (l *taskLog) printf(now time.Time, format string, args ...any) {
	line := strings.ToValidUTF8(strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n\t"), "\uFFFD")
	if len(line) > maxLine {
		cut := maxLine
		for !utf8.RuneStart(line[cut]) {
			cut--
		}
		line = line[:cut] + " …"
	}
	line = now.UTC().Format("2006-01-02T15:04:05.000Z ") + line + "\n"
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.written > maxLog:
		return
	case l.written+len(line) > maxLog:
		line = "… the log is full\n"
		l.written = maxLog
	}
	l.written += len(line)
	l.pending.WriteString(line)
	if l.pending.Len() >= logChunk {
		l.flush()
	} else if l.timer == nil {
		l.timer = time.AfterFunc(logDelay, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.flush()
		})
	}
}

// flush is called with the lock. Lines that cannot be kept are lost: the work is
// worth more than its log.
func (l *taskLog) flush() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if l.pending.Len() == 0 {
		return
	}
	text := l.pending.String()
	l.pending.Reset()
	ctx, cancel := context.WithTimeout(l.ctx, 10*time.Second)
	defer cancel()
	if size, err := l.store.Append(ctx, l.task, text); err == nil {
		l.written = int(size) // also by the runs before
	}
}

func (l *taskLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
}
