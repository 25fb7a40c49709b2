package job

import (
	"context"
	"maps"
	"slices"

	"github.com/berth-registry/berth/internal/query"
)

// Nodes returns those that live.
func (s *Service) Nodes(ctx context.Context) ([]Node, error) { return s.store.Nodes(ctx) }

// maxDoing is how many running tasks are shown.
const maxDoing = 1000

// Doing returns the tasks that run on a node, or on all where it is empty.
func (s *Service) Doing(ctx context.Context, node string) ([]Task, error) {
	return s.store.Doing(ctx, node, maxDoing)
}

// A Line is how much of a kind of work waits.
type Line struct {
	Kind   Kind
	Paused bool
	Waiting
}

// Lines returns one of each kind, and last that of the Scheduler.
func (s *Service) Lines(ctx context.Context) ([]Line, error) {
	waiting, err := s.store.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	paused, err := s.schedules.Paused(ctx)
	if err != nil {
		return nil, err
	}
	var lines []Line
	for _, kind := range append(slices.Sorted(maps.Keys(s.works)), Scheduler) {
		lines = append(lines, Line{kind, paused[kind], waiting[kind]})
	}
	return lines, nil
}

// Known reports whether there is work of a kind, or it is Scheduler.
func (s *Service) Known(kind Kind) bool {
	_, ok := s.works[kind]
	return ok || kind == Scheduler
}

// TaskByID returns a task of any execution, or ErrNotFound.
func (s *Service) TaskByID(ctx context.Context, id int64) (Task, error) { return s.store.Task(ctx, id) }

// StopTask stops one task. It returns ErrNotFound and ErrEnded.
func (s *Service) StopTask(ctx context.Context, id int64) error {
	if err := s.store.StopTask(ctx, id, s.now()); err != nil {
		return err
	}
	return s.Watch(ctx)
}

// Log returns the log of a task from a byte on, at most n bytes. It grows while
// the task runs.
func (s *Service) Log(ctx context.Context, task, from int64, n int) (string, error) {
	return s.logs.Read(ctx, task, from, n)
}

// ScheduleOf returns the schedule of a kind and owner, or ErrNotFound.
func (s *Service) ScheduleOf(ctx context.Context, kind Kind, owner int64) (Schedule, error) {
	return s.schedules.Of(ctx, kind, owner)
}

// Schedules lists all of them.
func (s *Service) Schedules(ctx context.Context, q query.Query) ([]Schedule, int64, error) {
	return s.schedules.List(ctx, q)
}

// Pause holds back work of a kind that has not begun, or lets it go on. Scheduler
// stands for all schedules.
func (s *Service) Pause(ctx context.Context, kind Kind, paused bool) error {
	return s.schedules.Pause(ctx, kind, paused)
}

// Paused returns the kinds that are held back.
func (s *Service) Paused(ctx context.Context) (map[Kind]bool, error) { return s.schedules.Paused(ctx) }
