package replication_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/replication"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/queue"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A yard has policies and their executions, of which nothing does the work by
// itself. There are a Harbor, with the id 1, and Docker Hub, with the id 2.
type yard struct {
	*testing.T
	*replication.Service

	jobs *job.Service
	rows *sqlstore.Jobs
}

func each(t *testing.T, f func(y yard)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO endpoint (name, kind, url, sealed, healthy, created, updated, checked) VALUES
				('far', 'harbor', 'https://far.example.org', ?, TRUE, 1, 1, 1), ('hub', 'docker-hub', 'https://hub.docker.com', ?, TRUE, 1, 1, 1)`, []byte{}, []byte{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		y := yard{T: t, rows: sqlstore.NewJobs(d)}
		y.jobs = job.New(job.Config{
			Store: y.rows, Schedules: y.rows, Logs: y.rows, Queue: new(queue.Queue), Log: slog.New(slog.DiscardHandler), Node: "node",
			Works: map[job.Kind]job.Work{job.Replication: {Scheduled: func(ctx context.Context, at job.Schedule) (job.Submission, error) { return y.Due(ctx, at) }}},
		})
		registries := endpoint.New(sqlstore.NewEndpoints(d), secret.NewSealer([32]byte{1}), outbound.ForSystem(), slog.New(slog.DiscardHandler))
		t.Cleanup(registries.Close)
		y.Service = replication.New(sqlstore.NewReplication(d), y.jobs, registries, nil)
		f(y)
	})
}

func push() replication.Policy {
	return replication.Policy{Name: "push", Destination: 1, Replace: -1, Enabled: true}
}

func (y yard) create(p replication.Policy) int64 {
	y.Helper()
	id, err := y.Create(y.Context(), p)
	if err != nil {
		y.Fatal(err)
	}
	return id
}

func (y yard) start(policy int64) job.Execution {
	y.Helper()
	id, err := y.Start(y.Context(), policy, job.Manual)
	if err != nil {
		y.Fatal(err)
	}
	return y.execution(id)
}

func (y yard) execution(id int64) job.Execution {
	y.Helper()
	e, err := y.Execution(y.Context(), id)
	if err != nil {
		y.Fatal(err)
	}
	return e
}

// do has one task of an execution done, which keeps how far it came.
func (y yard) do(e job.Execution, came replication.Progress, o job.Outcome) job.Task {
	y.Helper()
	ctx, now := y.Context(), time.Now()
	tasks, _, err := y.rows.Tasks(ctx, e.ID, query.Query{})
	if err != nil {
		y.Fatal(err)
	}
	attrs, err := json.Marshal(came)
	if err != nil {
		y.Fatal(err)
	}
	t, err := y.rows.Begin(ctx, tasks[0].ID, tasks[0].Turn, "node", now)
	if err == nil {
		err = y.rows.Report(ctx, t.ID, t.Turn, attrs, now)
	}
	if err == nil && o.Status != "" {
		_, err = y.rows.End(ctx, t.ID, t.Turn, o, now)
	}
	if err != nil {
		y.Fatal(err)
	}
	return t
}

func TestAStartIsOneTaskThatKnowsThePolicy(t *testing.T) {
	each(t, func(y yard) {
		id := y.create(push())
		e := y.start(id)
		if e.OwnerID != id || e.Status != job.Running || e.Trigger != job.Manual || e.Counts.Total() != 1 {
			y.Errorf("%+v", e)
		}
		tasks, n, err := y.Tasks(y.Context(), e.ID, "", query.Query{})
		if err != nil || n != 1 {
			y.Fatal(tasks, err)
		}
		var w replication.Work
		if err := json.Unmarshal(tasks[0].Args, &w); err != nil || w.Policy != id || w.Repository != "" || w.Delete {
			y.Errorf("%s, %v", tasks[0].Args, err)
		}
		if log, err := y.Log(y.Context(), e.ID, tasks[0].ID, 0, 100); err != nil || log != "" {
			y.Errorf("its log is %q, %v", log, err)
		}
		other := y.start(id)
		if _, err := y.Log(y.Context(), other.ID, tasks[0].ID, 0, 100); !errors.Is(err, job.ErrNotFound) {
			y.Errorf("the log of a task of another execution: %v", err)
		}
	})
}

func TestWhatIsDisabledOrGoneIsNotStarted(t *testing.T) {
	each(t, func(y yard) {
		p := push()
		p.Enabled = false
		if _, err := y.Start(y.Context(), y.create(p), job.Manual); !errors.Is(err, replication.ErrDisabled) {
			y.Error(err)
		}
		if _, err := y.Start(y.Context(), 99, job.Manual); !errors.Is(err, replication.ErrNotFound) {
			y.Error(err)
		}
		if all, n, err := y.Executions(y.Context(), 0, query.Query{}); err != nil || n != 0 {
			y.Errorf("%+v, %v", all, err)
		}
	})
}

// TestOneExecutionAtATime starts a policy while it runs, by hand and by its
// schedule.
func TestOneExecutionAtATime(t *testing.T) {
	each(t, func(y yard) {
		p := push()
		p.Alone, p.Trigger, p.Cron = true, replication.Scheduled, "0 0 0 * * *"
		id := y.create(p)
		first := y.start(id)
		refused := func(e job.Execution) {
			y.Helper()
			if e.ID == first.ID || e.Status != job.Failed || !strings.Contains(e.Message, "one at a time") || e.Ended.IsZero() || e.Counts.Total() != 0 {
				y.Errorf("%+v", e)
			}
		}
		refused(y.start(id))
		at, err := y.jobs.ScheduleOf(y.Context(), job.Replication, id)
		if err != nil {
			y.Fatal(err)
		}
		sub, err := y.Due(y.Context(), at)
		if err != nil {
			y.Fatal(err)
		}
		if d, err := y.rows.Fire(y.Context(), at, at.Next.Add(time.Hour), sub, time.Now()); err != nil || len(d) != 0 {
			y.Fatal(d, err)
		}
		all, n, err := y.Executions(y.Context(), id, query.Query{})
		if err != nil || n != 3 || all[0].Trigger != job.BySchedule {
			y.Fatal(all, err)
		}
		refused(all[0])
		if err := y.Stop(y.Context(), first.ID); err != nil {
			y.Fatal(err)
		}
		if e := y.start(id); e.Status != job.Running {
			y.Errorf("%+v", e)
		}
		q := push()
		q.Name = "at once"
		together := y.create(q)
		if a, b := y.start(together), y.start(together); a.Status != job.Running || b.Status != job.Running {
			y.Errorf("%+v, %+v", a, b)
		}
	})
}

func TestExecutionsAreListed(t *testing.T) {
	each(t, func(y yard) {
		one := y.create(push())
		p := push()
		p.Name = "other"
		two := y.create(p)
		a, b, c := y.start(one), y.start(two), y.start(one)
		came := replication.Progress{Source: "library/app", Target: "far/app", Kind: replication.Image, Total: 3, Done: 3}
		y.do(a, came, job.Outcome{Status: job.Succeeded})
		came.Kind = replication.Artifact
		y.do(b, came, job.Outcome{Status: job.Failed, Message: "no way"})
		for _, tt := range []struct {
			policy int64
			q      query.Query
			want   []int64
		}{
			{0, query.Query{}, []int64{c.ID, b.ID, a.ID}},
			{one, query.Query{}, []int64{c.ID, a.ID}},
			{two, query.Query{}, []int64{b.ID}},
			{99, query.Query{}, nil},
			{0, query.Query{Page: 2, Size: 2}, []int64{a.ID}},
			{0, query.Query{Sorts: []query.Sort{{Field: "start_time"}}}, []int64{a.ID, b.ID, c.ID}},
			{0, query.Query{}.Where(query.Filter{Field: "status", Value: "Error"}), []int64{b.ID}},
			{one, query.Query{}.Where(query.Filter{Field: "status", Value: "Error"}), nil},
			{0, query.Query{}.Where(query.Filter{Field: "trigger", Value: "EVENT"}), nil},
		} {
			found, _, err := y.Executions(y.Context(), tt.policy, tt.q)
			if err != nil || len(found) != len(tt.want) {
				y.Fatalf("%d, %+v: %+v, %v", tt.policy, tt.q, found, err)
			}
			for i, e := range found {
				if e.ID != tt.want[i] {
					y.Errorf("%d, %+v: %d, want %d", tt.policy, tt.q, e.ID, tt.want[i])
				}
			}
		}
		if e := y.execution(b.ID); e.Message != "no way" || e.Counts != (job.Counts{Failed: 1}) {
			y.Errorf("%+v", e)
		}
		for kind, want := range map[string]int64{"": 1, replication.Image: 1, replication.Artifact: 0, "i": 0, "%": 0} {
			if _, n, err := y.Tasks(y.Context(), a.ID, kind, query.Query{}); err != nil || n != want {
				y.Errorf("%d tasks of the kind %q, %v", n, kind, err)
			}
		}
	})
}

func TestExecutionsOfOthersAreNotThere(t *testing.T) {
	each(t, func(y yard) {
		ids, _, err := y.rows.Create(y.Context(), []job.Submission{{Kind: job.Webhook, OwnerID: 1, Tasks: []any{1}}}, time.Now())
		if err != nil {
			y.Fatal(err)
		}
		tasks, err := y.rows.FirstTasks(y.Context(), ids)
		if err != nil {
			y.Fatal(err)
		}
		_, reading := y.Execution(y.Context(), ids[0])
		_, _, listing := y.Tasks(y.Context(), ids[0], "", query.Query{})
		_, log := y.Log(y.Context(), ids[0], tasks[ids[0]].ID, 0, 100)
		for what, err := range map[string]error{"reading": reading, "its tasks": listing, "a log": log, "stopping": y.Stop(y.Context(), ids[0])} {
			if !errors.Is(err, job.ErrNotFound) {
				y.Errorf("%s: %v", what, err)
			}
		}
		if all, n, err := y.Executions(y.Context(), 0, query.Query{}); err != nil || n != 0 {
			y.Errorf("%+v, %v", all, err)
		}
	})
}

func TestWhatIsOverCanBeStopped(t *testing.T) {
	each(t, func(y yard) {
		e := y.start(y.create(push()))
		y.do(e, replication.Progress{}, job.Outcome{})
		for range 2 {
			if err := y.Stop(y.Context(), e.ID); err != nil {
				y.Error(err)
			}
			if got := y.execution(e.ID); got.Status != job.Stopped {
				y.Errorf("%+v", got)
			}
		}
	})
}

func TestPoliciesThatRunStay(t *testing.T) {
	each(t, func(y yard) {
		p := push()
		p.Trigger, p.Cron = replication.Scheduled, "0 0 0 * * *"
		id := y.create(p)
		e := y.start(id)
		if err := y.Delete(y.Context(), id); !errors.Is(err, replication.ErrRunning) {
			y.Fatal(err)
		}
		y.do(e, replication.Progress{}, job.Outcome{Status: job.Succeeded})
		if err := y.Delete(y.Context(), id); err != nil {
			y.Fatal(err)
		}
		if err := y.Delete(y.Context(), id); !errors.Is(err, replication.ErrNotFound) {
			y.Error(err)
		}
		if _, err := y.jobs.ScheduleOf(y.Context(), job.Replication, id); !errors.Is(err, job.ErrNotFound) {
			y.Errorf("its schedule: %v", err)
		}
		if got := y.execution(e.ID); got.Status != job.Succeeded {
			y.Errorf("%+v", got)
		}
	})
}

// TestSchedulesFollowTheirPolicies holds that what does not run by itself any more
// starts nothing, even where its schedule was left behind.
func TestSchedulesFollowTheirPolicies(t *testing.T) {
	each(t, func(y yard) {
		p := push()
		p.Trigger, p.Cron = replication.Scheduled, "0 30 4 * * *"
		p.ID = y.create(p)
		at, err := y.jobs.ScheduleOf(y.Context(), job.Replication, p.ID)
		if err != nil || at.Cron != p.Cron {
			y.Fatal(at, err)
		}
		if sub, err := y.Due(y.Context(), at); err != nil || sub.OwnerID != p.ID || sub.Trigger != job.BySchedule || len(sub.Tasks) != 1 {
			y.Errorf("%+v, %v", sub, err)
		}
		disabled, manual := p, p
		disabled.Enabled, manual.Trigger = false, replication.Manual
		for _, changed := range []replication.Policy{disabled, manual} {
			if err := y.Update(y.Context(), changed); err != nil {
				y.Fatal(err)
			}
			if _, err := y.jobs.ScheduleOf(y.Context(), job.Replication, p.ID); !errors.Is(err, job.ErrNotFound) {
				y.Errorf("the schedule of %+v: %v", changed, err)
			}
			if _, err := y.Due(y.Context(), at); !errors.Is(err, job.ErrNotFound) {
				y.Errorf("what %+v starts: %v", changed, err)
			}
			if err := y.Update(y.Context(), p); err != nil {
				y.Fatal(err)
			}
		}
		if _, err := y.jobs.ScheduleOf(y.Context(), job.Replication, p.ID); err != nil {
			y.Errorf("the schedule of one that is enabled again: %v", err)
		}
		at.OwnerID = 99
		if _, err := y.Due(y.Context(), at); !errors.Is(err, job.ErrNotFound) {
			y.Errorf("what is gone starts: %v", err)
		}
	})
}

func TestPoliciesThatCannotBeMeant(t *testing.T) {
	each(t, func(y yard) {
		for about, change := range map[string]func(*replication.Policy){
			"name: ":                                   func(p *replication.Policy) { p.Name = " " },
			"name: it must have 1 to 255":              func(p *replication.Policy) { p.Name = strings.Repeat("n", 256) },
			"name: it":                                 func(p *replication.Policy) { p.Name = "a\x00" },
			"description: at most 1024":                func(p *replication.Policy) { p.Description = strings.Repeat("d", 1025) },
			"description: at":                          func(p *replication.Policy) { p.Description = "\x00" },
			"one of them must be another":              func(p *replication.Policy) { p.Destination = 0 },
			"one of them must be this":                 func(p *replication.Policy) { p.Source = 1 },
			"an id is not below 0":                     func(p *replication.Policy) { p.Destination = -1 },
			"dest_registry: there is no registry 7":    func(p *replication.Policy) { p.Destination = 7 },
			"src_registry: there is no registry 7":     func(p *replication.Policy) { p.Source, p.Destination = 7, 0 },
			"dest_namespace: ":                         func(p *replication.Policy) { p.Namespace = "Team" },
			"dest_namespace: it":                       func(p *replication.Policy) { p.Namespace = "/team" },
			"dest_namespace_replace_count: ":           func(p *replication.Policy) { p.Replace = 128 },
			"trigger: type":                            func(p *replication.Policy) { p.Trigger = "daily" },
			"trigger_settings.cron is missing":         func(p *replication.Policy) { p.Trigger = replication.Scheduled },
			"six fields":                               func(p *replication.Policy) { p.Trigger, p.Cron = replication.Scheduled, "0 0 * * *" },
			"the seconds, must be 0":                   func(p *replication.Policy) { p.Trigger, p.Cron = replication.Scheduled, "* 0 0 * * *" },
			"seconds":                                  func(p *replication.Policy) { p.Trigger, p.Cron = replication.Scheduled, "5 0 0 * * *" },
			"the minutes, must not be *":               func(p *replication.Policy) { p.Trigger, p.Cron = replication.Scheduled, "0 * 0 * * *" },
			"never comes":                              func(p *replication.Policy) { p.Trigger, p.Cron = replication.Scheduled, "0 0 0 30 2 *" },
			"single_active_replication: ":              func(p *replication.Policy) { p.Trigger, p.Alone = replication.ByEvent, true },
			"copied from here":                         func(p *replication.Policy) { p.Trigger, p.Source, p.Destination = replication.ByEvent, 1, 0 },
			"filters: at most 50":                      func(p *replication.Policy) { p.Filters = make([]replication.Filter, 51) },
			`filters: there is no type "size"`:         func(p *replication.Policy) { p.Filters = filtered(replication.Filter{Type: "size"}).Filters },
			"filters: value of name: the pattern must": func(p *replication.Policy) { p.Filters = named("[").Filters },
			"filters: value of name: the":              func(p *replication.Policy) { p.Filters = named(strings.Repeat("a", 1025)).Filters },
			"filters: value of tag: ":                  func(p *replication.Policy) { p.Filters = filtered(tag(strings.Repeat("{a,b}", 7))).Filters },
			"filters: value of resource: ":             func(p *replication.Policy) { p.Filters = filtered(resource("chart")).Filters },
			"filters: value of label: 1 to 50":         func(p *replication.Policy) { p.Filters = filtered(label()).Filters },
			"filters: value of label: 1 to":            func(p *replication.Policy) { p.Filters = filtered(label(make([]string, 51)...)).Filters },
			"filters: value of label: a name":          func(p *replication.Policy) { p.Filters = filtered(label("")).Filters },
			"filters: value of label: a":               func(p *replication.Policy) { p.Filters = filtered(label(strings.Repeat("l", 129))).Filters },
			"filters: decoration: ": func(p *replication.Policy) {
				p.Filters = filtered(replication.Filter{Type: replication.ByName, Pattern: "a", Excludes: true}).Filters
			},
			"filters: decoration: tag": func(p *replication.Policy) {
				p.Filters = filtered(replication.Filter{Type: replication.ByResource, Pattern: replication.Image, Excludes: true}).Filters
			},
			"platforms: at most 50":     func(p *replication.Policy) { p.Platforms = platforms(51) },
			`platforms: "linux"`:        func(p *replication.Policy) { p.Platforms = []string{"linux"} },
			`platforms: "linux/a/b/c"`:  func(p *replication.Policy) { p.Platforms = []string{"linux/a/b/c"} },
			`platforms: "Linux/amd64"`:  func(p *replication.Policy) { p.Platforms = []string{"linux/amd64", "Linux/amd64"} },
			`platforms: "linux/amd64\n`: func(p *replication.Policy) { p.Platforms = []string{"linux/amd64\n"} },
		} {
			p := push()
			change(&p)
			_, made := y.Create(y.Context(), p)
			if made == nil || !strings.Contains(made.Error(), about) || !errors.Is(made, replication.ErrInvalid) && !errors.Is(made, job.ErrCron) {
				y.Errorf("%s: %v", about, made)
			}
		}
		if all, n, err := y.List(y.Context(), query.Query{}); err != nil || n != 0 {
			y.Errorf("%+v, %v", all, err)
		}
		p := push()
		p.ID = y.create(p)
		p.Name = ""
		if err := y.Update(y.Context(), p); !errors.Is(err, replication.ErrInvalid) {
			y.Error(err)
		}
	})
}

func platforms(n int) (all []string) {
	for i := range n {
		all = append(all, "linux/"+strings.Repeat("a", i+1))
	}
	return all
}

// TestPoliciesAreCompleted holds what is kept of what may be said in several ways,
// or does not belong together.
func TestPoliciesAreCompleted(t *testing.T) {
	each(t, func(y yard) {
		p := push()
		p.Speed, p.Replace, p.Cron = -1, -5, "not even a cron"
		p.Platforms = []string{"linux/arm64/v8", "linux/amd64", "linux/arm64/v8"}
		got, err := y.ByID(y.Context(), y.create(p))
		if err != nil || got.Speed != 0 || got.Replace != -1 || got.Trigger != replication.Manual || got.Cron != "" || strings.Join(got.Platforms, " ") != "linux/amd64 linux/arm64/v8" {
			y.Errorf("%+v, %v", got, err)
		}
		if got.Created.IsZero() || !got.Created.Equal(got.Updated) {
			y.Errorf("%+v", got)
		}
	})
}

// TestNamesThatADestinationCannotHave are refused when the policy is kept, where
// they are known by then.
func TestNamesThatADestinationCannotHave(t *testing.T) {
	each(t, func(y yard) {
		p := push()
		p.Destination = 2
		p.ID = y.create(p) // as the repositories are called here: that is seen when they are
		for _, tt := range []struct {
			name, namespace string
			replace         int
			fits            bool
		}{
			{"**", "acme", -1, true}, {"**", "acme", 1, true}, {"**", "acme", 2, true}, {"**", "acme", 0, false},
			{"**", "acme/team", -1, false}, {"**", "acme/team", 1, false},
			{"acme/app", "", -1, true}, {"acme/{app,deep/app}", "", -1, false}, {"acme/deep/app", "", -1, false},
			{"acme/deep/app", "acme", -1, true}, {"acme/deep/app", "acme", 1, false}, {"acme/deep/app", "acme", 2, true}, {"acme/deep/app", "acme", 3, false},
		} {
			p.Filters, p.Namespace, p.Replace = named(tt.name).Filters, tt.namespace, tt.replace
			if err := y.Update(y.Context(), p); (err == nil) != tt.fits || err != nil && !errors.Is(err, remote.ErrName) && !errors.Is(err, replication.ErrTarget) {
				y.Errorf("%+v: %v", tt, err)
			}
			made := p
			made.Name = tt.name + tt.namespace + strings.Repeat("x", tt.replace+1)
			if _, err := y.Create(y.Context(), made); (err == nil) != tt.fits || err != nil && !fault.OfKind(err, fault.Invalid) {
				y.Errorf("%+v: %v", tt, err)
			}
		}
	})
}
