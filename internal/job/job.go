// Package job does work later: on any node, at most once at a time, again where
// it failed, and on with it where a node has died. It promises that what was
// submitted is done or says why not, and that it can be stopped. The truth is
// in rows; a Queue only brings tasks to a node that has time for them. What the
// work is, its kinds' owners say: they give it to New.
//
// An execution is one piece of work, as people start it or a schedule does; its
// tasks are what is done of it, each on its own. A task may run twice, and its
// work must not mind.
package job

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/query"
)

// Faults of jobs.
var (
	ErrNotFound = fault.New(fault.NotFound, "NOT_FOUND", "there is no such execution, task or schedule")
	ErrRunning  = fault.New(fault.Conflict, "CONFLICT", "one is running already; wait for its end, or stop it")
	ErrEnded    = fault.New(fault.Conflict, "CONFLICT", "it has ended already")
	ErrCron     = fault.New(fault.Invalid, "BAD_REQUEST", "the schedule's cron must have six fields: second, minute, hour, day of month, month, day of week")
)

// A Kind of work. Its name is stored, and told to clients: it never changes.
type Kind string

// The kinds.
const (
	GarbageCollection Kind = "GARBAGE_COLLECTION"
	PurgeAudit        Kind = "PURGE_AUDIT_LOG"
	Retention         Kind = "RETENTION"
	Webhook           Kind = "WEBHOOK"
	Slack             Kind = "SLACK"
	Replication       Kind = "REPLICATION"
	ImageScan         Kind = "IMAGE_SCAN"
	SBOM              Kind = "SBOM"
	ScanAll           Kind = "SCAN_ALL"
	ScanExport        Kind = "SCAN_DATA_EXPORT"
	Advisories        Kind = "ADVISORIES"
)

// A Status of a task or an execution.
type Status string

// The statuses. The last three are final.
const (
	Pending   Status = "Pending"   // waits for a node that has time
	Scheduled Status = "Scheduled" // waits for its time to be tried again
	Running   Status = "Running"
	Stopped   Status = "Stopped"
	Failed    Status = "Error"
	Succeeded Status = "Success"
)

// Final reports whether nothing will change any more.
func (s Status) Final() bool { return s == Stopped || s == Failed || s == Succeeded }

// A Trigger is what started an execution.
type Trigger string

// The triggers.
const (
	Manual     Trigger = "MANUAL"
	BySchedule Trigger = "SCHEDULE"
	ByEvent    Trigger = "EVENT"
)

// An Execution is one piece of work.
type Execution struct {
	ID      int64
	Kind    Kind
	OwnerID int64 // of what it is done for: a policy; 0 where a kind has one only
	Trigger Trigger
	Status  Status
	Message string          // why it failed
	Attrs   json.RawMessage // what its kind knows of it: an object
	Started time.Time
	Updated time.Time
	Ended   time.Time // zero while it is not final
	Counts  Counts
}

// Counts says how many tasks of an execution have each status.
type Counts struct{ Pending, Scheduled, Running, Stopped, Failed, Succeeded int64 }

// Total is how many there are.
func (c Counts) Total() int64 {
	return c.Pending + c.Scheduled + c.Running + c.Stopped + c.Failed + c.Succeeded
}

// A Task is a part of an execution, which one node does at a time.
type Task struct {
	ID          int64
	ExecutionID int64
	Kind        Kind
	Lane        string // empty: none
	Status      Status
	Message     string          // why it failed
	Runs        int             // how often it was begun
	Turn        int64           // counts its deliveries: of several, only the last counts
	Node        string          // where it is Running
	Args        json.RawMessage // what to do
	Attrs       json.RawMessage // what came of it: an object
	Created     time.Time
	Started     time.Time // zero before
	Updated     time.Time
	Ended       time.Time // zero while it is not final
}

// Waiting is how many tasks wait for a node, and since when the first does.
type Waiting struct {
	Tasks int64
	Since time.Time
}

// AnyOwner stands for all owners, where executions are looked for.
const AnyOwner int64 = -1

// A Submission asks for an execution with its tasks.
type Submission struct {
	Kind    Kind
	OwnerID int64
	Trigger Trigger
	Attrs   any   // becomes JSON; nil is an empty object
	Tasks   []any // the arguments of each task, which become JSON

	// Alone refuses it with ErrRunning while another of the same kind and owner is
	// not over.
	Alone bool

	// Refusal, where it is not empty, has what Alone refuses made all the same, as an
	// execution that has failed with this message. It has no tasks.
	Refusal string

	// Lane names a lane of the tasks. The tasks of one lane, of whatever execution,
	// are begun one after the other, in the order in which they were made: one that
	// is Running, or waits to be tried again, holds those behind it. Empty: none.
	Lane string

	// Cause names what it is submitted for, where that may happen more than once:
	// of all submissions of a cause, also at the same time, one makes an execution.
	// A cause is known for as long as that execution is kept (Work.Keep). Empty:
	// none. Lists that share causes are to have them in the same order.
	Cause string
}

// A Delivery tells a queue of a task that may run.
type Delivery struct {
	Kind Kind
	Task int64
	Turn int64
}

// A Store keeps executions and tasks. Each method is one transaction. Where it
// is given a time, that is now.
type Store interface {
	// Create keeps executions and their tasks, Pending, in the order of the list,
	// and returns the ids and the deliveries of those that may begin. Where a cause
	// is known, the id is of the execution that it has. It returns ErrRunning where
	// there is no Refusal, and then has kept none.
	Create(ctx context.Context, all []Submission, now time.Time) (ids []int64, d []Delivery, err error)
	// Begin makes a task Running on a node, if the turn is its last one and it is
	// not Running or over; otherwise it returns ErrEnded.
	Begin(ctx context.Context, task, turn int64, node string, now time.Time) (Task, error)
	// End gives a running task its next status, if the turn still is its last one;
	// otherwise it returns ErrEnded. A task that is to run again gets a new turn.
	// It returns the delivery of what may begin now: the task itself, or where it is
	// over, the next one of its lane.
	End(ctx context.Context, task, turn int64, o Outcome, now time.Time) ([]Delivery, error)
	// Spread gives a task that is running the first of some arguments in place of its
	// own, and its execution a further task for each of the others, which are in no
	// lane, and returns their deliveries. It returns ErrEnded as End does.
	Spread(ctx context.Context, task, turn int64, args []any, now time.Time) ([]Delivery, error)
	// Report replaces the attributes of a task that is running.
	Report(ctx context.Context, task, turn int64, attrs json.RawMessage, now time.Time) error

	// Stop makes the tasks of an execution that are not over Stopped, and with
	// them the execution. It returns ErrNotFound, and ErrEnded. What may begin by
	// this, as by all that ends tasks here, is Unsent.
	Stop(ctx context.Context, execution int64, now time.Time) error
	// StopAll does so with up to n executions that have tasks of a kind waiting
	// or running, as said, and reports how many those were.
	StopAll(ctx context.Context, kind Kind, running bool, n int, now time.Time) (int, error)
	// Turns returns the turns of those of the tasks that are Running.
	Turns(ctx context.Context, tasks []int64) (map[int64]int64, error)

	// Expire makes up to n tasks Failed that are stale, and says how many.
	Expire(ctx context.Context, s Stale, n int, now time.Time) (int, error)

	// Unsent returns up to n deliveries whose time has come and that no queue was
	// given. It meets none of those that wait behind others of their lanes.
	Unsent(ctx context.Context, n int, now time.Time) ([]Delivery, error)
	// Sent notes that a queue has them.
	Sent(ctx context.Context, d []Delivery) error
	// Reclaim makes up to n tasks Pending again, with a new turn each, and says how
	// many.
	Reclaim(ctx context.Context, c Claim, n int, now time.Time) (int, error)

	// Execution returns one, or ErrNotFound.
	Execution(ctx context.Context, id int64) (Execution, error)
	// Executions lists those of an owner, or of AnyOwner, that are of one of the
	// kinds.
	Executions(ctx context.Context, kinds []Kind, owner int64, q query.Query) ([]Execution, int64, error)
	// Task returns one, or ErrNotFound.
	Task(ctx context.Context, id int64) (Task, error)
	// Tasks lists those of an execution.
	Tasks(ctx context.Context, execution int64, q query.Query) ([]Task, int64, error)
	// Sweep removes up to n executions of a kind that are over, with all that
	// belongs to them: those that ended before a time, and of each owner those
	// behind the newest, of which keep stay.
	Sweep(ctx context.Context, kind Kind, keep int, before time.Time, n int) (int, error)

	// FirstTasks returns the first task of each of the executions that has one.
	FirstTasks(ctx context.Context, executions []int64) (map[int64]Task, error)
	// Doing returns up to n tasks that are Running on a node, or on all where it is
	// empty, the latest first.
	Doing(ctx context.Context, node string, n int) ([]Task, error)
	// Waiting returns of each kind of which tasks wait how many do, and since when.
	Waiting(ctx context.Context) (map[Kind]Waiting, error)
	// StopTask stops one task, or returns ErrNotFound or ErrEnded.
	StopTask(ctx context.Context, id int64, now time.Time) error

	// Nodes returns those that live.
	Nodes(ctx context.Context) ([]Node, error)
	// Heard notes that a node lives, and forgets those not heard of since a time.
	Heard(ctx context.Context, n Node, forget time.Time) error
	// Gone forgets a node.
	Gone(ctx context.Context, node string) error
}

// A Node does tasks.
type Node struct {
	ID      string
	Host    string
	Started time.Time
	Heard   time.Time
	Workers int // how many tasks it does at once
}

// A Claim is for the tasks that are Running on a node that is not known (any
// more), and on Node those that it does not do and has not touched since Before.
type Claim struct {
	Node   string
	Doing  []int64
	Before time.Time
	Lost   bool // and for all that wait and that a queue was given
}

// Stale are the tasks of a kind that were made Before a time and never begun, and
// why they fail.
type Stale struct {
	Kind    Kind
	Before  time.Time
	Message string
}

// A Queue brings tasks to nodes. It may forget them, or bring one twice.
type Queue interface {
	// Send brings each delivery to a node.
	Send(ctx context.Context, d []Delivery) error
	// Start begins to bring tasks to this node: of each kind so many at once.
	// do is called for each, in a goroutine of the queue's own.
	Start(ctx context.Context, workers map[Kind]int, do func(context.Context, Delivery) error) error
	// Stop ends that. What is being done is cancelled, and has ended when it
	// returns.
	Stop(ctx context.Context) error
	// Forgets says that what was sent is gone with the process.
	Forgets() bool
}

// An Outcome is how a run of a task ended.
type Outcome struct {
	Status  Status
	Message string
	At      time.Time // of the next run, where it is Pending or Scheduled
}

// A Work is what is done for a kind.
type Work struct {
	// Run does a task. An error has it tried again, but for Again and what is
	// Permanent. It ends soon after ctx.
	Run func(ctx context.Context, r *Run) error

	// Scheduled says what a schedule of the kind starts, or returns ErrNotFound
	// where what it is done for is gone. It may be nil where none can be made.
	Scheduled func(ctx context.Context, at Schedule) (Submission, error)

	Workers  int                             // on each node at once; 0 is 1
	Attempts int                             // 0 is 1
	Backoff  func(attempt int) time.Duration // before the next one; nil: 10 s, doubling, at most 1 h
	Limit    time.Duration                   // of one run; 0 is 10 minutes
	Keep     int                             // executions of each owner that are kept once they are over; 0 is 50

	// Expire is how long a task may wait before it is begun. One that has not begun
	// by then fails: so no lane grows without end, whatever holds it. 0 is for ever.
	Expire time.Duration
}

// Config is what a Service is made of.
type Config struct {
	Store     Store
	Schedules ScheduleStore
	Logs      LogStore
	Queue     Queue
	Works     map[Kind]Work
	Log       *slog.Logger
	Node      string           // a name of this process that no other ever has
	Host      string           // of the machine, for people
	Now       func() time.Time // nil is the machine's clock
}

// A Service does work later. It is safe for concurrent use.
type Service struct {
	store      Store
	schedules  ScheduleStore
	logs       LogStore
	queue      Queue
	works      map[Kind]Work
	log        *slog.Logger
	node, host string
	now        func() time.Time
	started    time.Time

	mu      sync.Mutex
	running map[int64]*Run // here
}

// New returns a service. Nothing runs before Start.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{
		store: c.Store, schedules: c.Schedules, logs: c.Logs, queue: c.Queue, works: c.Works,
		log: c.Log, node: c.Node, host: c.Host, now: c.Now, running: map[int64]*Run{},
	}
}
