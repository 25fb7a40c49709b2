package robot_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/secret"
)

func TestAuthenticate(t *testing.T) {
	h := open(t)
	r, text := h.create(ofProject("ci", "library"))
	got, err := h.Authenticate(t.Context(), "robot$library+ci", text)
	if err != nil || got.ID != r.ID || got.ProjectID != 1 || len(got.Permissions) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, c := range []struct {
		login string
		text  secret.Text
	}{
		{"robot$library+ci", secret.New("Wrong1wrong")}, {"robot$library+ci", secret.Text{}},
		{"library+ci", text}, {"robot$ci", text}, {"robot$other+ci", text}, {"ROBOT$library+ci", text}, {"robot$", text},
		{"robot$robot$library+ci", text}, {"robot$library+ci\x00", text}, {"robot$\xff", text}, {"", text}, {"robot$library#1+ci", text},
	} {
		got, err := h.again().Authenticate(t.Context(), c.login, c.text)
		if !errors.Is(err, robot.ErrWrong) || got.ID != 0 {
			t.Errorf("%q: %+v, %v", c.login, got, err)
		}
	}
}

func TestOnlyWhoKnowsTheSecretLearnsOfDisabledAndExpired(t *testing.T) {
	for name, c := range map[string]struct {
		change string
		arg    any
		want   error
	}{
		"disabled": {`UPDATE robot SET disabled = ?`, true, robot.ErrDisabled},
		"expired":  {`UPDATE robot SET expires = ?`, time.Now().Add(-time.Second).UnixMicro(), robot.ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			_, text := h.create(ofSystem("ci"))
			if _, err := h.Authenticate(t.Context(), "robot$ci", text); err != nil {
				t.Fatal(err)
			}
			h.exec(c.change, c.arg)
			if got, err := h.Authenticate(t.Context(), "robot$ci", text); !errors.Is(err, c.want) || got.ID != 0 {
				t.Errorf("the right secret: %+v, %v", got, err)
			}
			if _, err := h.Authenticate(t.Context(), "robot$ci", secret.New("Wrong1wrong")); !errors.Is(err, robot.ErrWrong) || errors.Is(err, c.want) {
				t.Errorf("a wrong one: %v", err)
			}
		})
	}
}

func TestAnUnknownRobotCostsAndLocksAsMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.create(ofSystem("ci"))
		type answer struct {
			err  string
			cost int64
		}
		attempts := func(login string) (all []answer) {
			for range 3 {
				before := h.hasher.Computed()
				_, err := h.Authenticate(t.Context(), login, secret.New("Wrong1wrong"))
				all = append(all, answer{fmt.Sprint(err), h.hasher.Computed() - before})
			}
			return all
		}
		known := attempts("robot$ci")
		if known[0].cost != 1 || known[1].cost != 0 || !strings.Contains(known[1].err, "too many failed sign-ins") {
			t.Errorf("a known robot: %+v", known)
		}
		for _, login := range []string{"robot$nobody", "robot$library+nobody", "robot$", "alice", "robot$\x00"} {
			if got := attempts(login); fmt.Sprint(got) != fmt.Sprint(known) {
				t.Errorf("%q: %+v, a known robot: %+v", login, got, known)
			}
		}
	})
}

func TestAClientWithAnOldSecretDoesNotLockTheOthersOutForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		r, old := h.create(ofSystem("ci"))
		fresh, err := h.Refresh(h.ctx, r.ID, secret.Text{})
		if err != nil {
			t.Fatal(err)
		}
		for i, lock := range []time.Duration{1500 * time.Millisecond, 0, 0} { // the same again is no further guess
			if _, err := h.Authenticate(t.Context(), "robot$ci", old); !errors.Is(err, robot.ErrWrong) {
				t.Fatalf("the old secret, %d: %v", i, err)
			}
			if lock > 0 {
				if _, err := h.Authenticate(t.Context(), "robot$ci", fresh); !errors.Is(err, secret.ErrLocked) {
					t.Errorf("a moment later: %v", err)
				}
			}
			time.Sleep(lock)
		}
		if _, err := h.Authenticate(t.Context(), "robot$ci", fresh); err != nil {
			t.Errorf("the new secret: %v", err)
		}
	})
}

func TestRefresh(t *testing.T) {
	h := open(t)
	r, first := h.create(ofSystem("ci"))
	h.events()
	var drawn secret.Text
	if !h.forgets(func() {
		var err error
		if drawn, err = h.Refresh(h.ctx, r.ID, secret.Text{}); err != nil {
			t.Fatal(err)
		}
	}) {
		t.Error("what is remembered does not end")
	}
	if len(drawn.Reveal()) != 32 || secret.CheckStrength(drawn) != nil || drawn.Equal(first) {
		t.Error("the drawn secret is not a new one of 32 mixed characters")
	}
	events := h.events()
	if want := (event.RobotUpdated{Robot: r.Fact(), Changed: []string{"secret"}}); len(events) != 1 || fmt.Sprint(events[0].Fact) != fmt.Sprint(want) {
		t.Errorf("events %+v", events)
	}
	given := secret.New("Given1given")
	if shown, err := h.Refresh(h.ctx, r.ID, given); err != nil || !shown.Empty() {
		t.Errorf("a given secret is shown: %t, %v", !shown.Empty(), err)
	}
	for _, weak := range []string{"short1A", "nocapital1", "NOSMALL11", "NoDigitsAtAll", "Harbor12345", strings.Repeat("aB1", 43)} {
		if _, err := h.Refresh(h.ctx, r.ID, secret.New(weak)); !errors.Is(err, secret.ErrWeak) {
			t.Errorf("%s: %v", weak, err)
		}
	}
	for i, text := range []secret.Text{first, drawn, given} {
		_, err := h.again().Authenticate(h.ctx, "robot$ci", text)
		if (err == nil) != (i == 2) {
			t.Errorf("secret %d: %v", i, err)
		}
	}
}
