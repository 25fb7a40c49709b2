package hub_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/hub"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/scan"
)

func TestQueriesAreUnderstood(t *testing.T) {
	high, seven, nearlyTen := finding.High, int64(70), int64(99)
	for q, want := range map[string]hub.Search{
		"": {},
		"cve_id=CVE-1,package=p,repository_name=a/b,tag=1.0,digest=d,status=fixed,project_id=7": {
			CVE: "CVE-1", Package: "p", Repository: "a/b", Tag: "1.0", Digest: "d", Status: finding.Fixed, Project: 7,
		},
		"severity=High,cvss_score_v3=[7~9.9]": {Severity: &high, MinScore: &seven, MaxScore: &nearlyTen},
		"cvss_score_v3=[~9.9]":                {MaxScore: &nearlyTen},
		"tag=17":                              {Tag: "17"},
	} {
		parsed, err := query.Parse(q, "", 3, 10)
		if err != nil {
			t.Fatal(err)
		}
		want.Limit, want.Offset = 10, 20
		if got, err := hub.Parse(parsed); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", q, got, err)
		}
	}
}

func TestQueriesThatCannotBeAreRefused(t *testing.T) {
	for _, q := range []string{
		"name=x", "cve_id=~CVE", "severity=high", "severity={High Low}", "project_id=x", "project_id=-1", "project_id=[1~2]",
		"cvss_score_v3=7", "cvss_score_v3=[x~]", "cvss_score_v3=[~11]", "cvss_score_v3=[-1~]", "cvss_score_v3=[NaN~]", "cvss_score_v3=[2026-01-01T00:00:00~]",
	} {
		parsed, err := query.Parse(q, "", 1, 10)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := hub.Parse(parsed); !errors.Is(err, hub.ErrQuery) {
			t.Errorf("%s: %+v, %v", q, s, err)
		}
	}
}

func TestWithoutAScannerNothingIsFound(t *testing.T) {
	s := hub.New(nil, func(context.Context) (string, error) { return "", scan.ErrNoScanner })
	if found, total, err := s.Search(t.Context(), hub.Search{}); err != nil || total != 0 || found != nil {
		t.Errorf("%v, %d, %v", found, total, err)
	}
}
