// Package event holds the facts that happened and that others react to. A fact
// is written as a row in the transaction that made it true, and is delivered at
// least once to each subscriber; pulls, which write nothing themselves, are
// gathered and written in batches. What a subscriber does with a fact is its
// own affair.
package event

import (
	"encoding/json"
	"fmt"
	"time"
)

// An Actor is who made a fact true, as it was known at that time.
type Actor struct {
	Name    string `json:"name"`              // login name; "anonymous" for nobody
	Address string `json:"address,omitempty"` // IP address of the client
	Request string `json:"request,omitempty"` // id of the request, as in the log
}

// A Fact is one of the types of facts.go.
type Fact interface {
	// Kind is the stable name under which the fact is stored: "artifact.pushed".
	Kind() string
}

// An Event is a fact with its circumstances. ID is given by the store.
type Event struct {
	ID    int64
	At    time.Time
	Actor Actor
	Fact  Fact
}

// New returns an event of now.
func New(actor Actor, fact Fact) Event {
	return Event{At: time.Now(), Actor: actor, Fact: fact}
}

// Encode returns the fact as JSON.
func Encode(f Fact) ([]byte, error) { return json.Marshal(f) }

// Decode returns the fact of a stored kind. A kind that this version does not
// know is an error: the row is from a newer one.
func Decode(kind string, data []byte) (Fact, error) {
	mk, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("event: unknown kind %q", kind)
	}
	return mk(data)
}

// kinds maps each stored name to the decoder of its fact.
var kinds = table(
	as[ArtifactPushed], as[ArtifactPulled], as[ArtifactDeleted], as[TagDeleted], as[BlobDeleted],
	as[ProjectCreated], as[ProjectUpdated], as[ProjectDeleted],
	as[MemberAdded], as[MemberUpdated], as[MemberRemoved],
	as[UserCreated], as[UserUpdated], as[UserDeleted],
	as[RobotCreated], as[RobotUpdated], as[RobotDeleted],
	as[RepositoryUpdated], as[RepositoryDeleted], as[TagCreated],
	as[LabelCreated], as[LabelUpdated], as[LabelDeleted], as[LabelAdded], as[LabelRemoved],
	as[ImmutableRuleCreated], as[ImmutableRuleUpdated], as[ImmutableRuleDeleted],
	as[TrustCreated], as[TrustUpdated], as[TrustDeleted],
	as[RetentionPolicyCreated], as[RetentionPolicyUpdated], as[RetentionPolicyDeleted],
	as[RetentionRan], as[WebhookCreated], as[WebhookUpdated], as[WebhookDeleted],
	as[ReplicationPolicyCreated], as[ReplicationPolicyUpdated], as[ReplicationPolicyDeleted], as[ReplicationRan],
	as[QuotaUpdated], as[QuotaWarned], as[QuotaExceeded],
	as[GroupCreated], as[GroupUpdated], as[GroupDeleted],
	as[EndpointCreated], as[EndpointUpdated], as[EndpointDeleted],
	as[ScannerCreated], as[ScannerUpdated], as[ScannerDeleted],
	as[SettingsUpdated], as[AuditPurged],
	as[ScanCompleted], as[ScanFailed], as[ScanStopped],
	as[LoggedIn], as[LoggedOut],
)

func table(decoders ...func([]byte) (Fact, error)) map[string]func([]byte) (Fact, error) {
	t := make(map[string]func([]byte) (Fact, error), len(decoders))
	for _, d := range decoders {
		zero, err := d([]byte("{}"))
		if err != nil {
			panic(err)
		}
		t[zero.Kind()] = d
	}
	return t
}

func as[F Fact](data []byte) (Fact, error) {
	var f F
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	return f, nil
}
