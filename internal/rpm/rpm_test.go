package rpm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/rpm"
	"github.com/berth-registry/berth/internal/rpm/rpmtest"
	"github.com/google/go-cmp/cmp"
)

func bash() rpm.Package {
	return rpm.Package{
		Name: "bash", Version: "5.1.8", Release: "6.el9", Arch: "x86_64", Epoch: 2, SourceRPM: "bash-5.1.8-6.el9.src.rpm",
		Vendor: "Example", License: "GPLv3+", Modularity: "shell:9:1:c:x86_64", Files: []string{"/usr/bin/bash", "/usr/bin/sh", "/etc/skel/.bashrc"},
	}
}

// long is a package whose header needs many pages.
func long() rpm.Package {
	p := rpm.Package{Name: "long", Version: "1", Release: "1"}
	for i := range 2000 {
		p.Files = append(p.Files, "/usr/share/long/"+strings.Repeat("x", i%50)+"/file")
	}
	return p
}

func formats(t *testing.T, packages ...rpm.Package) map[string][]byte {
	return map[string][]byte{
		"SQLite":                   rpmtest.SQLite(t, packages...),
		"NDB":                      rpmtest.NDB(packages...),
		"Berkeley DB":              rpmtest.BDB(binary.LittleEndian, packages...),
		"Berkeley DB, other order": rpmtest.BDB(binary.BigEndian, packages...),
	}
}

func read(ctx context.Context, db []byte) (all []rpm.Package, err error) {
	err = rpm.Read(ctx, bytes.NewReader(db), int64(len(db)), func(p rpm.Package) error {
		all = append(all, p)
		return nil
	})
	slices.SortFunc(all, func(a, b rpm.Package) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

func TestEveryFormatGivesWhatIsInstalled(t *testing.T) {
	key := rpm.Package{Name: "gpg-pubkey", Version: "1", Release: "2"}
	small := rpm.Package{Name: "small", Version: "1"}
	for name, db := range formats(t, bash(), key, long(), small) {
		got, err := read(t.Context(), db)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]rpm.Package{bash(), long(), small}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestManyPackagesAreRead(t *testing.T) {
	packages := rpmtest.Copies(bash(), 250)
	for name, db := range formats(t, packages...) {
		if got, err := read(t.Context(), db); err != nil || len(got) != len(packages) {
			t.Errorf("%s: %d packages, %v", name, len(got), err)
		}
	}
}

func TestReadingStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	enough := errors.New("enough")
	for name, db := range formats(t, bash(), long()) {
		if _, err := read(ctx, db); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, canceled: %v", name, err)
		}
		calls := 0
		err := rpm.Read(t.Context(), bytes.NewReader(db), int64(len(db)), func(rpm.Package) error { calls++; return enough })
		if !errors.Is(err, enough) || calls != 1 {
			t.Errorf("%s, stopped: %v after %d calls", name, err, calls)
		}
	}
}

// Every byte is turned over, and the file cut at many places: that must end, in
// packages or in an error, and never in more of them than there is room for.
func TestDamagedDatabasesEndInErrors(t *testing.T) {
	for name, db := range formats(t, bash(), long()) {
		damagedSomewhere := false
		check := func(db []byte) {
			t.Helper()
			got, err := read(t.Context(), db)
			if err != nil && !errors.Is(err, rpm.ErrFormat) {
				t.Fatalf("%s: %v", name, err)
			}
			damagedSomewhere = damagedSomewhere || err != nil
			if len(got) > len(db)/8 {
				t.Fatalf("%s: %d packages of %d bytes", name, len(got), len(db))
			}
		}
		step := max(1, len(db)/1000)
		for i := 0; i < len(db); i += step {
			mad := bytes.Clone(db)
			mad[i] ^= 0xff
			check(mad)
			check(db[:i])
		}
		if !damagedSomewhere {
			t.Errorf("%s: nothing was noticed", name)
		}
	}
}

func TestHeadersThatClaimMuchTakeLittle(t *testing.T) {
	be := binary.BigEndian
	tags := be.AppendUint32(be.AppendUint32(nil, 1<<31-1), 1<<31-1)
	strings := be.AppendUint32(be.AppendUint32(nil, 1), 100)
	for _, n := range []uint32{1117, 8, 0, 1<<32 - 1} {
		strings = be.AppendUint32(strings, n)
	}
	for name, header := range map[string][]byte{"tags": tags, "strings": append(strings, make([]byte, 100)...), "nothing": {1}} {
		start := time.Now()
		if _, err := read(t.Context(), rpmtest.SQLiteOf(t, header)); !errors.Is(err, rpm.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
}

// One long folder for many files would otherwise be as many long paths.
func TestPathsTakeNoMoreThanAMultipleOfTheHeader(t *testing.T) {
	p := rpm.Package{Name: "wide", Version: "1"}
	dir := "/" + strings.Repeat("d", 4000) + "/"
	for range 10_000 {
		p.Files = append(p.Files, dir)
	}
	got, err := read(t.Context(), rpmtest.NDB(p))
	if err != nil || len(got) != 1 {
		t.Fatalf("%d packages, %v", len(got), err)
	}
	if n := len(got[0].Files); n > 1000 {
		t.Errorf("%d paths of %d bytes each", n, len(dir))
	}
}

func TestPagesThatGoRoundInCirclesAreNoticed(t *testing.T) {
	db := rpmtest.SQLite(t, rpmtest.Copies(long(), 60)...)
	size := int(binary.BigEndian.Uint16(db[16:]))
	circles := 0
	for at := size; at < len(db); at += size {
		if db[at] == 0x05 { // a page that refers to others
			binary.BigEndian.PutUint32(db[at+8:], uint32(at/size+1))
			circles++
		}
	}
	if _, err := read(t.Context(), db); circles == 0 || !errors.Is(err, rpm.ErrFormat) {
		t.Errorf("%d circles: %v", circles, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(rpmtest.SQLite(f, bash()))
	f.Add(rpmtest.NDB(bash()))
	f.Add(rpmtest.BDB(binary.LittleEndian, bash(), bash()))
	f.Fuzz(func(t *testing.T, db []byte) {
		got, err := read(t.Context(), db)
		if err != nil && !errors.Is(err, rpm.ErrFormat) {
			t.Error(err)
		}
		if len(got) > len(db) {
			t.Errorf("%d packages of %d bytes", len(got), len(db))
		}
	})
}
