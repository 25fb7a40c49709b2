package app

import "github.com/berth-registry/berth/internal/serve/api"

// OpenAPI returns the API's document, as JSON. It takes no server: the document is
// made of the types alone.
func OpenAPI(v Version) ([]byte, error) {
	a, err := api.New(api.Config{Version: v.Number})
	if err != nil {
		return nil, err
	}
	return a.Document(), nil
}
