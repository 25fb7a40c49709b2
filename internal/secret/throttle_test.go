package secret

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-registry/berth/internal/fault"
)

// try says what came of one attempt: "right", "wrong" or "locked".
func try(t *testing.T, th *Throttle, name, given string) string {
	t.Helper()
	return tryFrom(t, th, "198.51.100.7", name, given)
}

func tryFrom(t *testing.T, th *Throttle, address, name, given string) string {
	t.Helper()
	asked := false
	ok, err := th.Try(name, address, New(given), func() (bool, error) { asked = true; return given == "right", nil })
	switch {
	case errors.Is(err, ErrLocked) && !asked && !ok:
		return "locked"
	case err != nil:
		t.Fatalf("%v, asked: %t", err, asked)
	case ok:
		return "right"
	}
	return "wrong"
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle()
		for i, s := range []struct {
			wait        time.Duration
			name, given string
			want        string
		}{
			{0, "alice", "right", "right"},
			{0, "alice", "a", "wrong"},
			{0, "alice", "right", "locked"}, // even the right one
			{0, "bob", "right", "right"},    // others are free
			{1499 * time.Millisecond, "alice", "right", "locked"},
			{time.Millisecond, "alice", "b", "wrong"}, // the second failure: 3 s
			{2999 * time.Millisecond, "alice", "right", "locked"},
			{time.Millisecond, "alice", "c", "wrong"}, // the third: 6 s
			{5999 * time.Millisecond, "alice", "c", "locked"},
			{time.Millisecond, "alice", "c", "wrong"}, // the same again is no guess
			{0, "alice", "d", "wrong"},                // the fourth: 12 s
			{12 * time.Second, "alice", "right", "right"},
			{0, "alice", "e", "wrong"}, // counted from the start again: 1.5 s
			{1500 * time.Millisecond, "alice", "right", "right"},
		} {
			time.Sleep(s.wait)
			if got := try(t, th, s.name, s.given); got != s.want {
				t.Fatalf("step %d, %s with %s: %s", i, s.name, s.given, got)
			}
		}
	})
}

func TestThrottleGrowsToAMinuteAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle()
		for i, lock := range []time.Duration{1500, 3000, 6000, 12000, 24000, 48000, 60000, 60000, 60000} {
			if got := try(t, th, "alice", strconv.Itoa(i)); got != "wrong" {
				t.Fatalf("guess %d: %s", i, got)
			}
			time.Sleep(lock*time.Millisecond - 1)
			if got := try(t, th, "alice", "x"); got != "locked" {
				t.Fatalf("guess %d is not locked for %d ms", i, lock)
			}
			time.Sleep(time.Nanosecond)
		}
		time.Sleep(forgetIn + 1)
		if try(t, th, "alice", "y") != "wrong" {
			t.Fatal("still locked")
		}
		time.Sleep(firstLock)
		if got := try(t, th, "alice", "right"); got != "right" {
			t.Errorf("what lies long ago still counts: %s", got)
		}
	})
}

func TestNobodyLocksOthersOutForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle()
		for i := range 12 { // until the guesser waits for a minute each time
			if got := tryFrom(t, th, "203.0.113.9", "alice", strconv.Itoa(i)); got != "wrong" {
				t.Fatalf("guess %d: %s", i, got)
			}
			if got := try(t, th, "alice", "right"); got != "locked" {
				t.Fatalf("a moment after guess %d, from elsewhere: %s", i, got)
			}
			time.Sleep(firstLock)
			if got := try(t, th, "alice", "right"); got != "right" {
				t.Fatalf("%v after guess %d, from elsewhere: %s", firstLock, i, got)
			}
			if i == 0 { // the guesser's own lock was as short
				continue
			}
			if got := tryFrom(t, th, "203.0.113.9", "alice", "right"); got != "locked" {
				t.Fatalf("what is right elsewhere frees the guesser: %s", got)
			}
			time.Sleep(longest)
		}
	})
}

func TestManyGuessersHaveOneGuessAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle()
		asked := 0
		for i := range 10_000 { // from as many addresses, ten in a second
			if tryFrom(t, th, "10.0."+strconv.Itoa(i/250)+"."+strconv.Itoa(i%250), "alice", strconv.Itoa(i)) == "wrong" {
				asked++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if most := int(1000*time.Second/firstLock) + 1; asked > most {
			t.Errorf("%d guesses in 1000 s, want at most %d", asked, most)
		}
	})
}

func TestNetworks(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::9": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "": "", "unix": "unix",
	} {
		if got := network(address); got != want {
			t.Errorf("%q is in %q, want %q", address, got, want)
		}
	}
}

func TestLockSaysHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle()
		try(t, th, "alice", "a")
		_, err := th.Try("alice", "", New("right"), nil)
		var f *fault.Fault
		if !errors.As(err, &f) || f.Kind != fault.TooMany || f.Message != "too many failed sign-ins: try again in 2 s" {
			t.Fatalf("%v", err)
		}
		if d, ok := f.Detail.(map[string]int); !ok || d["retry_after"] != 2 {
			t.Errorf("detail %v", f.Detail)
		}
	})
}

func TestManyGuessesAtOnceAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle()
		gate := make(chan struct{})
		answers := make(chan error, 50)
		for i := range 50 {
			go func() {
				ok, err := th.Try("alice", "", New(strconv.Itoa(i)), func() (bool, error) {
					if i != 0 {
						<-gate
					}
					return i == 49, nil
				})
				if ok {
					t.Error("the right one of many guesses at once is accepted")
				}
				answers <- err
			}()
		}
		synctest.Wait() // the first has failed, the others are being verified
		close(gate)
		locked := 0
		for range 50 {
			if errors.Is(<-answers, ErrLocked) {
				locked++
			}
		}
		if locked != 49 {
			t.Errorf("%d of 50 were refused", locked)
		}
		time.Sleep(firstLock)
		if got := try(t, th, "alice", "right"); got != "right" {
			t.Errorf("those refused counted as guesses: %s", got)
		}
	})
}

func TestAnErrorIsNoAttempt(t *testing.T) {
	th := NewThrottle()
	broken := errors.New("no database")
	if ok, err := th.Try("alice", "", New("a"), func() (bool, error) { return false, broken }); ok || !errors.Is(err, broken) {
		t.Fatalf("%t, %v", ok, err)
	}
	if got := try(t, th, "alice", "right"); got != "right" {
		t.Errorf("an error locked the name: %s", got)
	}
}

func TestThrottleIsBoundedAndKeepsTheWorst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle()
		for i := range 6 { // the last lock is of 48 s
			try(t, th, "alice", strconv.Itoa(i))
			time.Sleep(firstLock << i)
		}
		try(t, th, "alice", "last")
		for i := range maxKnown + 100 {
			try(t, th, "name"+strconv.Itoa(i), "x")
		}
		if n := len(th.known); n > maxKnown {
			t.Errorf("%d failures are kept", n)
		}
		if got := try(t, th, "alice", "right"); got != "locked" {
			t.Errorf("a flood of names freed one: %s", got)
		}
		time.Sleep(longest + forgetIn + 1)
		try(t, th, "carol", "x")
		if n := len(th.known); n != 2 { // here and everywhere
			t.Errorf("%d failures are kept when all but one are over", n)
		}
	})
}
