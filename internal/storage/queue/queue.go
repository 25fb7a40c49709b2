// Package queue brings tasks to the nodes that have time for them, by River. It
// is a job.Queue: that a task is done, and once at a time, is not its concern.
//
// With PostgreSQL, River's tables are in the same database, and all nodes share
// them. Otherwise there is one node, and they are in its memory: whatever waited
// when it ended is in job's own rows, and sent again.
package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	_ "modernc.org/sqlite" // for the tables in memory

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
)

// ErrNotStarted is returned for what is sent before Start.
var ErrNotStarted = fault.New(fault.Unavailable, "UNAVAILABLE", "the queue has not started")

const (
	// connections is what River has of its own to PostgreSQL: one that listens, and
	// some that fetch.
	connections = 3
	// poll is how late a task is begun of which no node was told. River tells of
	// those that follow each other more closely than pause only once.
	poll  = time.Second
	pause = 10 * time.Millisecond
	// keepDone is how long River keeps what it has delivered.
	keepDone = 10 * time.Minute
)

// A Queue is safe for concurrent use.
type Queue struct {
	open func(*river.Config) (client, error)
	end  func() error
	mine bool // in this process's memory

	log *slog.Logger

	mu      sync.RWMutex
	running client // after Start
}

// A client is what both kinds of River's are.
type client interface {
	Start(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	InsertMany(ctx context.Context, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
}

// Open returns a queue beside the database of a URL: in it, where that is of
// PostgreSQL, or else in memory. River's tables are brought up to date. The caller
// closes it.
func Open(ctx context.Context, url string, log *slog.Logger) (*Queue, error) {
	q := &Queue{log: log, mine: strings.HasPrefix(url, "sqlite:")}
	var err error
	if q.mine {
		err = q.inMemory(ctx)
	} else {
		err = q.inPostgres(ctx, url)
	}
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return q, nil
}

func (q *Queue) inMemory(ctx context.Context) error {
	pool, err := sql.Open("sqlite", "file::memory:?_txlock=immediate")
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(1) // each has a memory of its own
	driver := riversqlite.New(pool)
	q.end = pool.Close
	q.open = func(c *river.Config) (client, error) { return river.NewClient(driver, c) }
	return q.migrated(migrate(ctx, driver))
}

func (q *Queue) inPostgres(ctx context.Context, url string) error {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return err
	}
	cfg.MaxConns = connections
	cfg.ConnConfig.RuntimeParams["application_name"] = "berth queue"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	driver := riverpgxv5.New(pool)
	q.end = func() error { pool.Close(); return nil }
	q.open = func(c *river.Config) (client, error) { return river.NewClient[pgx.Tx](driver, c) }
	return q.migrated(alone(ctx, pool, func() error { return migrate(ctx, driver) }))
}

// alone runs something while no other node does: River has no lock of its own.
func alone(ctx context.Context, pool *pgxpool.Pool, do func() error) error {
	const lock = 0x7269766572 // "river"; any number that nobody else uses in this database
	return pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if _, err := c.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(lock)); err != nil {
			return err
		}
		err := do()
		_, unlocked := c.Exec(ctx, `SELECT pg_advisory_unlock($1)`, int64(lock))
		return errors.Join(err, unlocked)
	})
}

func (q *Queue) migrated(err error) error {
	if err != nil {
		return errors.Join(err, q.end())
	}
	return nil
}

func migrate[T any](ctx context.Context, driver riverdriver.Driver[T]) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// Close lets go of the database.
func (q *Queue) Close() error { return q.end() }

// Forgets implements job.Queue.
func (q *Queue) Forgets() bool { return q.mine }

// A message is what River keeps of a delivery.
type message struct {
	Task int64 `json:"task"`
	Turn int64 `json:"turn"`
}

// Kind implements river.JobArgs. It is stored.
func (message) Kind() string { return "berth_task" }

// A worker takes what River brings.
type worker struct {
	river.WorkerDefaults[message]

	do func(context.Context, job.Delivery) error
}

// Work implements river.Worker.
func (w worker) Work(ctx context.Context, j *river.Job[message]) error {
	return w.do(ctx, job.Delivery{Kind: kindOf(j.Queue), Task: j.Args.Task, Turn: j.Args.Turn})
}

// River's queues have names in lower case.
func nameOf(k job.Kind) string    { return strings.ToLower(string(k)) }
func kindOf(name string) job.Kind { return job.Kind(strings.ToUpper(name)) }

// Start implements job.Queue.
func (q *Queue) Start(ctx context.Context, workers map[job.Kind]int, do func(context.Context, job.Delivery) error) error {
	queues := map[string]river.QueueConfig{}
	for kind, n := range workers {
		queues[nameOf(kind)] = river.QueueConfig{MaxWorkers: n}
	}
	bundle := river.NewWorkers()
	river.AddWorker(bundle, worker{do: do})
	c, err := q.open(&river.Config{
		Queues: queues, Workers: bundle,
		Logger:            slog.New(quiet{q.log.Handler()}),
		FetchPollInterval: poll, FetchCooldown: pause,
		JobTimeout:                  -1, // job has limits of its own
		RescueStuckJobsAfter:        24 * time.Hour,
		CompletedJobRetentionPeriod: keepDone, CancelledJobRetentionPeriod: keepDone, DiscardedJobRetentionPeriod: keepDone,
	})
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	// River ends with the context of Start; it is to end with Stop.
	if err := c.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = c
	return nil
}

// Stop implements job.Queue.
func (q *Queue) Stop(ctx context.Context) error {
	q.mu.Lock()
	c := q.running
	q.running = nil
	q.mu.Unlock()
	if c == nil {
		return nil
	}
	if err := c.StopAndCancel(ctx); err != nil {
		return fmt.Errorf("stop the queue: %w", err)
	}
	return nil
}

// Send implements job.Queue.
func (q *Queue) Send(ctx context.Context, d []job.Delivery) error {
	q.mu.RLock()
	c := q.running
	q.mu.RUnlock()
	if c == nil {
		return ErrNotStarted
	}
	if len(d) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(d))
	for i, one := range d {
		params[i] = river.InsertManyParams{Args: message{one.Task, one.Turn}, InsertOpts: &river.InsertOpts{Queue: nameOf(one.Kind)}}
	}
	if _, err := c.InsertMany(ctx, params); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	return nil
}

// quiet is a log without what River says of itself while all is well.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}
