package api

import (
	"reflect"
	"slices"
	"testing"
)

func TestSentAreTheFieldsThatAreNeverLeftOut(t *testing.T) {
	type inner struct {
		Always string `json:"always"`
		Empty  string `json:"empty,omitempty"`
		Zero   int    `json:"zero,omitzero"`
		Hidden string `json:"-"`
		Plain  string
	}
	type outer struct {
		inner
		Own *string `json:"own"`
	}
	if got, want := sent(reflect.TypeFor[outer]()), []string{"always", "own"}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}
