package main

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// A sample is what one measurement of one kind of work found.
type sample struct {
	ops, requests float64
	wall, cpu     time.Duration
	median        time.Duration // of an operation
	peak          float64       // memory in MiB
}

func (b *bench) wanted(name string) bool { return strings.Contains(name, b.only) }

// measure does one kind of work on a server for a while and keeps what it
// found. Signing in is not measured, but where it is a part of the work.
func (b *bench) measure(ctx context.Context, w work, s *server) error {
	session, err := s.signIn(ctx)
	if err != nil {
		return err
	}
	clients := b.clients
	if w.large {
		clients = 1
	}
	var next atomic.Int64
	latencies := make([][]time.Duration, clients)
	run := func(until time.Time) error {
		return together(clients, func(c int) error {
			for {
				began := time.Now()
				if err := w.op(ctx, s, session, int(next.Add(1))); err != nil {
					return err
				}
				latencies[c] = append(latencies[c], time.Since(began))
				if w.large || time.Now().After(until) {
					return nil
				}
			}
		})
	}
	if !w.large { // connections, caches
		if err := run(time.Now().Add(b.each / 10)); err != nil {
			return err
		}
		clear(latencies)
	}
	m, err := s.begin()
	if err != nil {
		return err
	}
	if err := run(m.began.Add(b.each)); err != nil {
		return err
	}
	found, err := m.end()
	if err != nil {
		return err
	}
	all := slices.Concat(latencies...)
	slices.Sort(all)
	found.ops, found.median = float64(len(all)), all[len(all)/2]
	b.results.add(w, s.name, found)
	return nil
}

// A meter is a server's counters at the beginning of a measurement.
type meter struct {
	server   *server
	began    time.Time
	cpu      time.Duration
	requests int64
}

func (s *server) begin() (meter, error) {
	if err := s.forgetPeak(); err != nil {
		return meter{}, err
	}
	cpu, err := s.cpu()
	return meter{s, time.Now(), cpu, s.client.requests.n.Load()}, err
}

func (m meter) end() (found sample, err error) {
	found.wall = time.Since(m.began)
	found.requests = float64(m.server.client.requests.n.Load() - m.requests)
	cpu, err := m.server.cpu()
	if err != nil {
		return found, err
	}
	found.cpu = cpu - m.cpu
	found.peak, err = m.server.memory("VmHWM")
	return found, err
}

// measureStarts starts each server again, with all that it holds by now.
func (b *bench) measureStarts(servers []*server) error {
	for range b.rounds {
		for _, s := range servers {
			if !s.registry || !b.wanted(startName) {
				continue
			}
			if err := s.stop(); err != nil {
				return err
			}
			began := time.Now()
			if err := s.start(); err != nil {
				return err
			}
			found := sample{ops: 1, median: time.Since(began)}
			time.Sleep(time.Second) // until it rests
			var err error
			if found.cpu, err = s.cpu(); err != nil {
				return err
			}
			if found.peak, err = s.memory("VmRSS"); err != nil {
				return err
			}
			b.results.add(work{name: startName, once: true}, s.name, found)
		}
	}
	return nil
}

// startName is how a start is called in the tables. Its memory is that of the
// server at rest.
const startName = "start, and rest for a second"
