package secret

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-registry/berth/internal/fault"
)

func TestAllowance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Allowance
		take := func(address string) error { return a.Take(address, 3, time.Minute) }
		for range 3 {
			if err := take("192.0.2.1"); err != nil {
				t.Fatal(err)
			}
		}
		err := take("192.0.2.1")
		var f *fault.Fault
		if !errors.Is(err, ErrOften) || !errors.As(err, &f) || f.Detail.(map[string]int)["retry_after"] != 60 {
			t.Errorf("a fourth time: %v", err)
		}
		if err := take("192.0.2.2"); err != nil {
			t.Errorf("another network: %v", err)
		}
		time.Sleep(time.Minute)
		if err := take("192.0.2.1"); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		if err := take("192.0.2.1"); !errors.Is(err, ErrOften) {
			t.Errorf("and at once again: %v", err)
		}
		time.Sleep(time.Hour)
		for i := range 3 {
			if err := take("192.0.2.1"); err != nil {
				t.Errorf("time %d after an hour: %v", i+1, err)
			}
		}
		if err := take("192.0.2.1"); !errors.Is(err, ErrOften) {
			t.Errorf("an hour saves nothing up: %v", err)
		}
		for i := range 4 {
			err := take(fmt.Sprintf("2001:db8::%d", i))
			if (i == 3) != errors.Is(err, ErrOften) {
				t.Errorf("address %d of one network: %v", i, err)
			}
		}
	})
}

func TestAllowanceIsBoundedAndKeepsTheWorst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Allowance
		for range 2 {
			if err := a.Take("192.0.2.1", 2, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 2 * maxKnown {
			if err := a.Take(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), 2, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if len(a.paid) > maxKnown {
			t.Errorf("%d networks are remembered", len(a.paid))
		}
		if err := a.Take("192.0.2.1", 2, time.Hour); !errors.Is(err, ErrOften) {
			t.Errorf("the worst was forgotten: %v", err)
		}
	})
}
