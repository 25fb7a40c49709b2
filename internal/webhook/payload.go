package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
)

// news is an event that somebody may want to be told of.
type news struct {
	id       int64 // of the event; 0 for a trial
	at       time.Time
	topic    Topic
	operator string // login name
	request  string // id of the request that made it true; may be empty
	where    event.Where

	digest    string
	tags      []string
	details   string // for people
	retention *retentionData
	copying   *replicationData
	scan      *event.Scan
}

// newsOf returns the news that an event is, if it is any.
func (s *Service) newsOf(e event.Event) (n news, ok bool) {
	n = news{id: e.ID, at: e.At, operator: e.Actor.Name, request: e.Actor.Request}
	switch f := e.Fact.(type) {
	case event.ArtifactPushed:
		n.topic, n.where, n.digest, n.tags = PushArtifact, f.Where, f.Digest, f.Tags
	case event.ArtifactPulled:
		n.topic, n.where, n.digest = PullArtifact, f.Where, f.Digest
		if f.Tag != "" {
			n.tags = []string{f.Tag}
		}
	case event.ArtifactDeleted:
		n.topic, n.where, n.digest, n.tags = DeleteArtifact, f.Where, f.Digest, f.Tags
	case event.QuotaExceeded:
		n.topic, n.where = QuotaExceed, f.Where
		n.details = fmt.Sprintf("A push of %d bytes was refused: the project uses %d bytes of the %d that it may.", f.Needed, f.Used, f.Hard)
	case event.QuotaWarned:
		n.topic, n.where = QuotaWarning, f.Where
		n.details = fmt.Sprintf("The project uses %d bytes of the %d that it may, which is more than 85 %%.", f.Used, f.Hard)
	case event.RetentionRan:
		n.topic, n.where, n.retention = TagRetention, f.Where, retained(f, s.Host)
	case event.ReplicationRan:
		n.topic, n.where, n.copying = Replication, f.Where, replicated(f, s.Host)
	case event.ScanCompleted:
		n.scanned(ScanningCompleted, f.Scan)
	case event.ScanFailed:
		n.scanned(ScanningFailed, f.Scan)
	case event.ScanStopped:
		n.scanned(ScanningStopped, f.Scan)
	default:
		return n, false
	}
	return n, true
}

// The body of Default, and what is in it of the others.
type (
	payload struct {
		Topic    Topic  `json:"type"`
		At       int64  `json:"occur_at"` // seconds since 1970
		Operator string `json:"operator"`
		Data     data   `json:"event_data"`
	}
	data struct {
		Resources  []resource        `json:"resources,omitempty"`
		Repository *repository       `json:"repository,omitempty"`
		Replica    *replicationData  `json:"replication,omitempty"`
		Retention  *retentionData    `json:"retention,omitempty"`
		Scan       *scanData         `json:"scan,omitempty"`
		Custom     map[string]string `json:"custom_attributes,omitempty"`
	}
	resource struct {
		Digest string `json:"digest"`
		Tag    string `json:"tag"` // or the digest, where there is none
		URL    string `json:"resource_url"`

		Scan map[string]scanOverview `json:"scan_overview,omitempty"` // by the media type of the report
		SBOM *sbomOverview           `json:"sbom_overview,omitempty"`
	}
	repository struct {
		Created   int64  `json:"date_created,omitempty"` // seconds since 1970
		Name      string `json:"name"`                   // without the project
		Namespace string `json:"namespace"`
		FullName  string `json:"repo_full_name"`
		Type      string `json:"repo_type"` // public or private
	}
	retentionData struct {
		Total    int               `json:"total"`
		Retained int               `json:"retained"`
		Host     string            `json:"harbor_hostname"`
		Project  string            `json:"project_name"`
		Policy   int64             `json:"retention_policy_id"`
		Rules    []retentionRule   `json:"retention_rule"`
		Result   string            `json:"result"`
		Deleted  []deletedArtifact `json:"deleted_artifact"`
	}
	retentionRule struct {
		Template  string                `json:"template"`
		Params    map[string]int64      `json:"params"`
		Tags      []selector            `json:"tag_selectors"`
		Selectors map[string][]selector `json:"scope_selectors"`
	}
	selector struct {
		Kind       string `json:"kind"`
		Decoration string `json:"decoration"`
		Pattern    string `json:"pattern"`
	}
	deletedArtifact struct {
		Type   string `json:"type"`
		Status string `json:"status"`
		Name   string `json:"name_tag"`
	}
)

const succeeded = "SUCCESS"

// maxNames is how many tags, or artifacts that went, are named at most: a body is
// kept for each target.
const maxNames = 100

func retained(f event.RetentionRan, host string) *retentionData {
	r := &retentionData{
		Total: f.Total, Retained: f.Retained, Host: host, Project: f.Project, Policy: f.ID, Result: succeeded,
		Rules: []retentionRule{}, Deleted: []deletedArtifact{},
	}
	for _, rule := range f.Rules {
		shown := retentionRule{
			Template: rule.Template, Params: map[string]int64{},
			Tags:      []selector{choosing(rule.Tags, "matches", "excludes")},
			Selectors: map[string][]selector{"repository": {choosing(rule.Repositories, "repoMatches", "repoExcludes")}},
		}
		if rule.Param != nil {
			shown.Params[rule.Template] = *rule.Param
		}
		r.Rules = append(r.Rules, shown)
	}
	for _, d := range f.Deleted {
		for _, name := range orDigest(d.Tags, d.Digest) {
			if len(r.Deleted) == maxNames {
				return r
			}
			r.Deleted = append(r.Deleted, deletedArtifact{d.Type, succeeded, reference(f.Repository, name)})
		}
	}
	return r
}

func choosing(c event.Choice, matches, excludes string) selector {
	if c.Except {
		matches = excludes
	}
	return selector{"doublestar", matches, c.Pattern}
}

// orDigest are the names of an artifact: its tags, or else its digest.
func orDigest(tags []string, digest string) []string {
	if len(tags) == 0 && digest != "" {
		return []string{digest}
	}
	return tags
}

// reference is the name of an artifact in a repository, by a tag or a digest.
func reference(repository, name string) string {
	if strings.Contains(name, ":") {
		return repository + "@" + name
	}
	return repository + ":" + name
}

// payload returns what is told.
func (n news) payload(about Subject, host string) payload {
	p := payload{Topic: n.topic, At: n.at.Unix(), Operator: n.operator, Data: data{Replica: n.copying, Retention: n.retention}}
	names := orDigest(n.tags, n.digest)
	if more := len(names) - maxNames; more > 0 {
		names, n.details = names[:maxNames], fmt.Sprintf("And %d more tags.", more)
	}
	for _, name := range names {
		r := resource{Digest: n.digest, Tag: name, URL: host + "/" + reference(n.where.Repository, name)}
		r.show(n.scan)
		p.Data.Resources = append(p.Data.Resources, r)
	}
	if n.scan != nil {
		p.Data.Scan = &scanData{n.scan.Type}
	}
	if n.where.Repository != "" {
		_, name := oci.SplitRepository(n.where.Repository)
		p.Data.Repository = &repository{Name: name, Namespace: n.where.Project, FullName: n.where.Repository, Type: "private"}
		if about.Public {
			p.Data.Repository.Type = "public"
		}
		if !about.Created.IsZero() {
			p.Data.Repository.Created = about.Created.Unix()
		}
	}
	if n.details != "" {
		p.Data.Custom = map[string]string{"Details": n.details}
	}
	return p
}

// body returns what is sent to a target of a policy. id is that of a CloudEvent.
func (n news) body(about Subject, host string, p Policy, t Target, id string) ([]byte, error) {
	told := n.payload(about, host)
	switch {
	case t.Protocol == Slack:
		return slackMessage(told)
	case t.Format == CloudEvents:
		return n.cloudEvent(told, p, id)
	}
	return json.Marshal(told)
}

// mediaType is that of the bodies for a target.
func (t Target) mediaType() string {
	if t.Protocol == HTTP && t.Format == CloudEvents {
		return "application/cloudevents+json"
	}
	return "application/json"
}

// cloudTypes are what CloudEvents calls the topics.
var cloudTypes = map[Topic]string{
	PushArtifact: "harbor.artifact.pushed", PullArtifact: "harbor.artifact.pulled", DeleteArtifact: "harbor.artifact.deleted",
	QuotaExceed: "harbor.quota.exceeded", QuotaWarning: "harbor.quota.warned", Replication: "harbor.replication.status.changed",
	ScanningFailed: "harbor.scan.failed", ScanningStopped: "harbor.scan.stopped", ScanningCompleted: "harbor.scan.completed",
	TagRetention: "harbor.tag_retention.finished", trial: "harbor.webhook.test",
}

// cloudEvent returns a body in the structured mode of CloudEvents 1.0.
func (n news) cloudEvent(told payload, p Policy, id string) ([]byte, error) {
	e := cloudevents.New()
	e.SetID(id)
	e.SetType(cloudTypes[n.topic])
	e.SetSource(fmt.Sprintf("/projects/%d/webhook/policies/%d", p.ProjectID, p.ID))
	e.SetTime(n.at)
	e.SetExtension("operator", n.operator)
	if n.request != "" {
		e.SetExtension("requestid", n.request)
	}
	if err := e.SetData("application/json", told.Data); err != nil {
		return nil, err
	}
	return json.Marshal(e)
}

// maxBlock is how many characters Slack takes in one block of text.
const maxBlock = 3000

// slackMessage returns a message of Slack's Block Kit.
func slackMessage(told payload) ([]byte, error) {
	var details bytes.Buffer
	e := json.NewEncoder(&details)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(told.Data); err != nil {
		return nil, err
	}
	type text struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	type block struct {
		Type string `json:"type"`
		Text text   `json:"text"`
	}
	var m struct {
		Blocks []block `json:"blocks"`
	}
	at := time.Unix(told.At, 0).UTC()
	for _, s := range []string{
		"*Berth webhook event*",
		"*event_type:* " + string(told.Topic),
		fmt.Sprintf("*occur_at:* <!date^%d^{date_num} {time_secs}|%s>", told.At, at.Format(time.RFC3339)),
		"*operator:* " + slackText(told.Operator, maxBlock/2),
		"*event_data:*\n```" + slackText(strings.TrimSpace(details.String()), maxBlock-100) + "```",
	} {
		m.Blocks = append(m.Blocks, block{"section", text{"mrkdwn", s}})
	}
	return json.Marshal(m)
}

// slackText escapes what Slack reads as more than text, and cuts what it would
// not take.
func slackText(s string, most int) string {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'").Replace(s)
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
