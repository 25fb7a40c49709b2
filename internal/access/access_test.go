package access

import (
	"testing"

	"github.com/berth-registry/berth/internal/event"
)

func TestCallerInContext(t *testing.T) {
	if c := From(t.Context()); !c.Anonymous() || c.Principal() != "" || c.Actor().Name != "anonymous" {
		t.Errorf("nobody is %+v", c)
	}
	c := Caller{Kind: Robot, ID: 7, Name: "robot$ci", Address: "192.0.2.1", Request: "r"}
	got := From(With(t.Context(), c))
	if got.Principal() != "robot:7" || got.Anonymous() {
		t.Errorf("the context carries %+v", got)
	}
	if got.Actor() != (event.Actor{Name: "robot$ci", Address: "192.0.2.1", Request: "r"}) {
		t.Errorf("its actor is %+v", got.Actor())
	}
	if p := (Caller{Kind: User, ID: 7}).Principal(); p != "user:7" {
		t.Errorf("a user and a robot of one id must differ: %s", p)
	}
}

func TestNeeds(t *testing.T) {
	if (Need{}).Declared() || !Anyone.Declared() || !OfSystem("user", "list").Declared() {
		t.Error("only the zero need is none")
	}
	if !OfProject("tag", "list").InProject() || OfSystem("tag", "list").InProject() || LoggedIn.InProject() {
		t.Error("only needs of a project are judged in one")
	}
}
