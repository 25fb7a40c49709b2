package secret

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"
)

func hash(t *testing.T, h *Hasher, text string) string {
	t.Helper()
	s, err := h.Hash(t.Context(), New(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verify(t *testing.T, h *Hasher, hash, text string) bool {
	t.Helper()
	ok, err := h.Verify(t.Context(), hash, New(text))
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestHashVerifies(t *testing.T) {
	h := NewHasher(2)
	a, b := hash(t, h, "Right1right"), hash(t, h, "Right1right")
	if a == b {
		t.Error("two hashes of one text are the same")
	}
	if !strings.HasPrefix(a, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("unexpected parameters: %s", a)
	}
	for _, text := range []string{"Right1right", "Right1righ", "Right1rightx", "right1right", ""} {
		if got := verify(t, h, a, text); got != (text == "Right1right") {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestOlderParametersStillVerify(t *testing.T) {
	h := NewHasher(1)
	for _, p := range []argon2id.Params{
		{Memory: 8 << 10, Iterations: 1, Parallelism: 1, SaltLength: 8, KeyLength: 16},
		{Memory: 64 << 10, Iterations: 1, Parallelism: 4, SaltLength: 16, KeyLength: 64},
	} {
		old, err := argon2id.CreateHash("Right1right", &p)
		if err != nil {
			t.Fatal(err)
		}
		if !verify(t, h, old, "Right1right") || verify(t, h, old, "Wrong1wrong") {
			t.Errorf("parameters %+v do not verify", p)
		}
	}
}

func TestBadHashesAreErrorsAndCostNothing(t *testing.T) {
	h := NewHasher(1)
	tail := "$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"
	for _, bad := range []string{
		"x", "plain", "$2a$10$abc", "$argon2i$v=19$m=19456,t=2,p=1" + tail, "$argon2id$v=16$m=19456,t=2,p=1" + tail,
		"$argon2id$v=19$m=4194304,t=2,p=1" + tail, "$argon2id$v=19$m=19456,t=0,p=1" + tail,
		"$argon2id$v=19$m=19456,t=1000,p=1" + tail, "$argon2id$v=19$m=19456,t=2,p=0" + tail,
		"$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$", "$argon2id$v=19$m=19456,t=2,p=1$!$AAAAAAAAAAAAAAAAAAAAAA",
	} {
		if ok, err := h.Verify(t.Context(), bad, New("Right1right")); ok || err == nil {
			t.Errorf("%s: %t, %v", bad, ok, err)
		}
	}
	if h.Computed() != 0 {
		t.Errorf("%d hashes were computed", h.Computed())
	}
}

func TestNoHashCostsAsMuchAndNeverVerifies(t *testing.T) {
	h := NewHasher(1)
	for i, text := range []string{"", "Right1right", "Right1right"} {
		if verify(t, h, "", text) {
			t.Errorf("%q verifies against nothing", text)
		}
		if h.Computed() != int64(i+1) {
			t.Errorf("%d hashes computed after %d checks", h.Computed(), i+1)
		}
	}
}

func TestKnownDefaultsNeverVerify(t *testing.T) {
	h := NewHasher(1)
	a := hash(t, h, "Harbor12345")
	before := h.Computed()
	if verify(t, h, a, "Harbor12345") {
		t.Error("a widely known default is accepted")
	}
	if h.Computed() != before+1 {
		t.Error("refusing a known default costs less than refusing another")
	}
}

func TestSuccessIsRememberedForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(1)
		a := hash(t, h, "Right1right")
		costs := func(hash, text string, want bool) int64 {
			before := h.Computed()
			if got := verify(t, h, hash, text); got != want {
				t.Fatalf("%q: %t", text, got)
			}
			return h.Computed() - before
		}
		steps := []struct {
			wait time.Duration
			text string
			cost int64
		}{
			{0, "Right1right", 1}, {0, "Right1right", 0}, {59 * time.Second, "Right1right", 0},
			{0, "Wrong1wrong", 1}, {0, "Wrong1wrong", 1}, // failures are not remembered
			{time.Second, "Right1right", 1}, {0, "Right1right", 0},
		}
		for i, s := range steps {
			time.Sleep(s.wait)
			if got := costs(a, s.text, s.text == "Right1right"); got != s.cost {
				t.Errorf("step %d computed %d hashes, not %d", i, got, s.cost)
			}
		}
		b := hash(t, h, "Other1other")
		if costs(b, "Right1right", false) != 1 {
			t.Error("a changed hash was answered from memory")
		}
		if costs(hash(t, h, "Right1right"), "Right1right", true) != 1 {
			t.Error("another hash of the same text was answered from memory")
		}
	})
}

func TestMemoryOfSuccessesIsBounded(t *testing.T) {
	h := NewHasher(1)
	for i := range maxRemembered + 10 {
		h.remember([32]byte{byte(i), byte(i >> 8), byte(i >> 16), 1})
	}
	if n := len(h.good); n > maxRemembered {
		t.Errorf("%d answers are kept", n)
	}
}

func TestHasherIsBoundedAndWaitersHeedTheirContext(t *testing.T) {
	h := NewHasher(2)
	for range 2 {
		if err := h.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { _, err := h.Hash(ctx, New("Right1right")); done <- err }()
	go func() { _, err := h.Verify(ctx, "", New("Right1right")); done <- err }()
	cancel()
	for range 2 {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("a waiter came back with %v", err)
		}
	}
	if h.Computed() != 0 {
		t.Error("a third hash was computed while two slots were taken")
	}
	h.release()
	if _, err := h.Hash(t.Context(), New("Right1right")); err != nil {
		t.Errorf("a freed slot cannot be used: %v", err)
	}
	if _, err := h.Verify(ctx, "", New("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is over: %v", err)
	}
}

func TestOneQuestionAskedByManyIsComputedOnce(t *testing.T) {
	h := NewHasher(1)
	a := hash(t, h, "Right1right")
	before := h.Computed()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if ok, err := h.Verify(t.Context(), a, New("Right1right")); !ok || err != nil {
				t.Errorf("%t, %v", ok, err)
			}
		})
	}
	wg.Wait()
	if n := h.Computed() - before; n != 1 {
		t.Errorf("20 equal questions computed %d hashes", n)
	}
}
