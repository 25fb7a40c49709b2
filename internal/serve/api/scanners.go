package api

import (
	"context"

	"github.com/berth-registry/berth/internal/fault"
)

// scanners answers for the scanner of a project. None can be registered so far:
// a project has none, and none can be chosen.
type scanners struct{}

var errScanner = fault.New(fault.NotFound, "NOT_FOUND", "no scanner is registered")

type scannerBody struct {
	UUID         string         `json:"uuid"`
	Name         string         `json:"name"`
	Description  string         `json:"description"`
	URL          string         `json:"url" format:"uri"`
	Disabled     bool           `json:"disabled"`
	Default      bool           `json:"is_default"`
	Auth         string         `json:"auth"`
	Credential   string         `json:"access_credential"`
	SkipVerify   bool           `json:"skip_certVerify"`
	Internal     bool           `json:"use_internal_addr"`
	Created      moment         `json:"create_time"`
	Updated      moment         `json:"update_time"`
	Adapter      string         `json:"adapter"`
	Vendor       string         `json:"vendor"`
	Version      string         `json:"version"`
	Health       string         `json:"health"`
	Capabilities map[string]any `json:"capabilities"`
}

type getScanner struct{ InProject }

type scannerAnswer struct {
	Body scannerBody `nameHint:"ScannerRegistration"`
}

func (scanners) get(context.Context, *getScanner) (*scannerAnswer, error) { return nil, errScanner }

type setScanner struct {
	InProject
	Body struct {
		UUID string `json:"uuid" required:"true" maxLength:"64"`
	} `nameHint:"ProjectScanner"`
}

func (scanners) set(_ context.Context, in *setScanner) (*nothing, error) {
	return nil, errScanner.With("%s", in.Body.UUID)
}

type listScanners struct {
	InProject
	Filtering
	Paging
}

func (scanners) candidates(_ context.Context, in *listScanners) (*list[scannerBody], error) {
	if _, err := ask(in.Filtering, in.Paging); err != nil {
		return nil, err
	}
	return page(in.Paging, nil, 0, func(s scannerBody) scannerBody { return s }), nil
}
