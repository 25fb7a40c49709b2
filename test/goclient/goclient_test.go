//go:build e2e

package goclient

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-openapi/runtime"
	"github.com/goharbor/go-client/pkg/harbor"
	v2 "github.com/goharbor/go-client/pkg/sdk/v2.0/client"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/artifact"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/auditlog"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/configure"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/immutable"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/label"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/member"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project_metadata"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/quota"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/repository"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/robot"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/search"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/statistic"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/user"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/models"

	"github.com/berth-registry/berth/test/berth"
	"github.com/berth-registry/berth/test/registry"
)

const password = "Client-Passw0rd-1"

// as returns the client of a user.
func as(t *testing.T, s *berth.Server, name, password string) *v2.HarborAPI {
	t.Helper()
	set, err := harbor.NewClientSet(&harbor.ClientSetConfig{URL: s.URL, Username: name, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return set.V2()
}

func p[T any](v T) *T { return &v }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got returns what a call answered, or fails.
func got[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// refused expects a call to be answered with a status.
func refused(t *testing.T, status int, err error) {
	t.Helper()
	var coded interface{ IsCode(int) bool }
	var other *runtime.APIError
	switch {
	case errors.As(err, &coded) && coded.IsCode(status):
	case errors.As(err, &other) && other.Code == status:
	default:
		t.Errorf("answered %v, want status %d", err, status)
	}
}

// push puts an image under a tag, and returns its digest.
func push(t *testing.T, s *berth.Server, name, password, repo, tag, content string) (string, error) {
	t.Helper()
	c := registry.New(s.URL, name, password, 2)
	defer c.Close()
	ctx := t.Context()
	session, err := c.SignIn(ctx, registry.Scope(repo, registry.Push))
	if err != nil {
		return "", err
	}
	image := registry.NewImage(content, registry.Bytes([]byte("layer "+content)))
	for _, b := range image.Blobs() {
		if err := session.PushBlob(ctx, repo, b); err != nil {
			return "", err
		}
	}
	return image.Manifest.Digest, session.PutManifest(ctx, repo, tag, image.Manifest)
}

// TestAdministration goes through what an administrator's program does.
func TestAdministration(t *testing.T) {
	s := berth.Run(t, berth.Options{})
	ctx, admin := t.Context(), as(t, s, "admin", berth.AdminPassword)

	alice := createUser(t, admin, "alice")
	_, err := admin.User.CreateUser(ctx, &user.CreateUserParams{UserReq: request("alice")})
	refused(t, 409, err)
	found := got(admin.User.SearchUsers(ctx, &user.SearchUsersParams{Username: "ali"}))(t)
	if len(found.Payload) != 1 || found.Payload[0].UserID != alice {
		t.Errorf("search: %+v", found.Payload)
	}

	_, err = admin.Project.CreateProject(ctx, &project.CreateProjectParams{Project: &models.ProjectReq{
		ProjectName: "team", Metadata: &models.ProjectMetadata{Public: "false"}, StorageLimit: p(int64(1 << 30))}})
	must(t, err)
	team := got(admin.Project.GetProject(ctx, &project.GetProjectParams{ProjectNameOrID: "team"}))(t).Payload
	_, err = admin.Member.CreateProjectMember(ctx, &member.CreateProjectMemberParams{ProjectNameOrID: "team",
		ProjectMember: &models.ProjectMember{RoleID: berth.ProjectAdmin, MemberUser: &models.UserEntity{Username: "alice"}}})
	must(t, err)
	members := got(admin.Member.ListProjectMembers(ctx, &member.ListProjectMembersParams{ProjectNameOrID: "team"}))(t)
	if members.XTotalCount != 2 {
		t.Errorf("%d members", members.XTotalCount)
	}

	_, err = admin.ProjectMetadata.AddProjectMetadatas(ctx, &project_metadata.AddProjectMetadatasParams{
		ProjectNameOrID: "team", Metadata: map[string]string{"auto_scan": "true"}})
	must(t, err)
	_, err = admin.ProjectMetadata.AddProjectMetadatas(ctx, &project_metadata.AddProjectMetadatasParams{
		ProjectNameOrID: "team", Metadata: map[string]string{"owner": "alice"}})
	refused(t, 400, err)

	quotas := got(admin.Quota.ListQuotas(ctx, &quota.ListQuotasParams{Reference: p("project"), ReferenceID: p(fmt.Sprint(team.ProjectID))}))(t).Payload
	if len(quotas) != 1 || quotas[0].Hard["storage"] != 1<<30 {
		t.Fatalf("quotas: %+v", quotas)
	}
	setQuota(t, admin, quotas[0].ID, 10)
	if _, err := push(t, s, "alice", password, "team/app", "1", "one"); registry.StatusOf(err) != 403 {
		t.Errorf("a push beyond the quota: %v", err)
	}
	setQuota(t, admin, quotas[0].ID, -1)
	if _, err := push(t, s, "alice", password, "team/app", "1", "one"); err != nil {
		t.Fatal(err)
	}
	used := got(admin.Quota.GetQuota(ctx, &quota.GetQuotaParams{ID: quotas[0].ID}))(t).Payload.Used["storage"]
	summary := got(admin.Project.GetProjectSummary(ctx, &project.GetProjectSummaryParams{ProjectNameOrID: "team"}))(t).Payload
	if used == 0 || summary.Quota == nil || summary.Quota.Used["storage"] != used || summary.RepoCount != 1 {
		t.Errorf("%d bytes used, and in the summary %+v", used, summary)
	}

	settings := got(admin.Configure.GetConfigurations(ctx, &configure.GetConfigurationsParams{}))(t).Payload
	if settings.AuthMode.Value != "db_auth" || settings.TokenExpiration.Value != 30 {
		t.Errorf("settings: %+v", settings)
	}
	_, err = admin.Configure.UpdateConfigurations(ctx, &configure.UpdateConfigurationsParams{
		Configurations: &models.Configurations{ProjectCreationRestriction: p("adminonly")}})
	must(t, err)
	own := as(t, s, "alice", password)
	_, err = own.Project.CreateProject(ctx, &project.CreateProjectParams{Project: &models.ProjectReq{ProjectName: "mine"}})
	if err == nil {
		t.Error("a user created a project although only administrators may")
	}

	stats := got(admin.Statistic.GetStatistic(ctx, &statistic.GetStatisticParams{}))(t).Payload
	if stats.TotalRepoCount != 1 || stats.TotalStorageConsumption != used {
		t.Errorf("statistics: %+v", stats)
	}
	hits := got(admin.Search.Search(ctx, &search.SearchParams{Q: "app"}))(t).Payload
	if len(hits.Repository) != 1 || hits.Repository[0].RepositoryName != "team/app" {
		t.Errorf("search: %+v", hits)
	}
	waitAudit(t, admin, "operation=create,resource_type=artifact", "team/app:1")
	waitAudit(t, admin, "operation=update,resource_type=configuration", "configuration")

	_, err = admin.Project.DeleteProject(ctx, &project.DeleteProjectParams{ProjectNameOrID: "team"})
	refused(t, 412, err)
	_, err = admin.Repository.DeleteRepository(ctx, &repository.DeleteRepositoryParams{ProjectName: "team", RepositoryName: "app"})
	must(t, err)
	_, err = admin.Project.DeleteProject(ctx, &project.DeleteProjectParams{ProjectNameOrID: "team"})
	must(t, err)
	_, err = admin.User.DeleteUser(ctx, &user.DeleteUserParams{UserID: alice})
	must(t, err)
}

func request(name string) *models.UserCreationReq {
	return &models.UserCreationReq{Username: name, Email: name + "@example.org", Realname: name, Password: password}
}

func createUser(t *testing.T, admin *v2.HarborAPI, name string) int64 {
	t.Helper()
	_, err := admin.User.CreateUser(t.Context(), &user.CreateUserParams{UserReq: request(name)})
	must(t, err)
	for _, u := range got(admin.User.ListUsers(t.Context(), &user.ListUsersParams{Q: p("username=" + name)}))(t).Payload {
		return u.UserID
	}
	t.Fatalf("%s is not listed", name)
	return 0
}

func setQuota(t *testing.T, admin *v2.HarborAPI, id, bytes int64) {
	t.Helper()
	_, err := admin.Quota.UpdateQuota(t.Context(), &quota.UpdateQuotaParams{ID: id, Hard: &models.QuotaUpdateReq{Hard: models.ResourceList{"storage": bytes}}})
	must(t, err)
}

// waitAudit waits until the audit log tells of a resource.
func waitAudit(t *testing.T, admin *v2.HarborAPI, q, resource string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		rows := got(admin.Auditlog.ListAuditLogExts(t.Context(), &auditlog.ListAuditLogExtsParams{Q: p(q), PageSize: p(int64(100))}))(t).Payload
		for _, r := range rows {
			if r.Resource == resource {
				return
			}
		}
		if time.Now().After(end) {
			t.Errorf("the audit log does not tell of %s with %s", resource, q)
			return
		}
	}
}

// TestArtifacts goes through what a project's own program does with content.
func TestArtifacts(t *testing.T) {
	s := berth.Run(t, berth.Options{})
	ctx, admin := t.Context(), as(t, s, "admin", berth.AdminPassword)
	_, err := admin.Project.CreateProject(ctx, &project.CreateProjectParams{Project: &models.ProjectReq{ProjectName: "team"}})
	must(t, err)
	made := got(admin.Robot.CreateRobot(ctx, &robot.CreateRobotParams{Robot: &models.RobotCreate{
		Name: "ci", Level: "project", Duration: -1, Permissions: []*models.RobotPermission{{Kind: "project", Namespace: "team", Access: []*models.Access{
			{Resource: "repository", Action: "pull"}, {Resource: "repository", Action: "push"}, {Resource: "repository", Action: "list"},
			{Resource: "artifact", Action: "read"}, {Resource: "artifact", Action: "list"}, {Resource: "artifact", Action: "create"}, {Resource: "artifact", Action: "delete"},
			{Resource: "tag", Action: "create"}, {Resource: "tag", Action: "list"}, {Resource: "tag", Action: "delete"},
			{Resource: "artifact-label", Action: "create"}, {Resource: "artifact-label", Action: "delete"},
			{Resource: "label", Action: "create"}, {Resource: "label", Action: "list"}, {Resource: "artifact-addition", Action: "read"},
			{Resource: "immutable-tag", Action: "create"}, {Resource: "immutable-tag", Action: "list"}, {Resource: "immutable-tag", Action: "delete"},
		}}}}}))(t).Payload
	digest, err := push(t, s, made.Name, made.Secret, "team/lib/app", "1", "one")
	must(t, err)

	ci := as(t, s, made.Name, made.Secret)
	const repo = "lib%2Fapp" // the client escapes it once more
	repositories := got(ci.Repository.ListRepositories(ctx, &repository.ListRepositoriesParams{ProjectName: "team"}))(t).Payload
	if len(repositories) != 1 || repositories[0].Name != "team/lib/app" || repositories[0].ArtifactCount != 1 {
		t.Errorf("repositories: %+v", repositories)
	}
	_, err = ci.Artifact.CreateTag(ctx, &artifact.CreateTagParams{ProjectName: "team", RepositoryName: repo, Reference: digest, Tag: &models.Tag{Name: "stable"}})
	must(t, err)
	_, err = ci.Artifact.CreateTag(ctx, &artifact.CreateTagParams{ProjectName: "team", RepositoryName: repo, Reference: digest, Tag: &models.Tag{Name: "stable"}})
	refused(t, 409, err)

	projectID := int64(got(admin.Project.GetProject(ctx, &project.GetProjectParams{ProjectNameOrID: "team"}))(t).Payload.ProjectID)
	_, err = ci.Label.CreateLabel(ctx, &label.CreateLabelParams{Label: &models.Label{Name: "gold", Color: "#FFD700", Scope: "p", ProjectID: projectID}})
	must(t, err)
	labels := got(ci.Label.ListLabels(ctx, &label.ListLabelsParams{Scope: p("p"), ProjectID: p(projectID)}))(t).Payload
	if len(labels) != 1 {
		t.Fatalf("labels: %+v", labels)
	}
	_, err = ci.Artifact.AddLabel(ctx, &artifact.AddLabelParams{ProjectName: "team", RepositoryName: repo, Reference: "1", Label: &models.Label{ID: labels[0].ID}})
	must(t, err)

	listed := got(ci.Artifact.ListArtifacts(ctx, &artifact.ListArtifactsParams{ProjectName: "team", RepositoryName: repo, WithTag: p(true), WithLabel: p(true),
		WithImmutableStatus: p(true), WithAccessory: p(true)}))(t)
	if listed.XTotalCount != 1 {
		t.Fatalf("%d artifacts", listed.XTotalCount)
	}
	if a := listed.Payload[0]; a.Digest != digest || a.Type != "IMAGE" || len(a.Tags) != 2 || len(a.Labels) != 1 || a.Size == 0 {
		t.Errorf("%+v", a)
	}
	_, err = admin.Project.CreateProject(ctx, &project.CreateProjectParams{Project: &models.ProjectReq{ProjectName: "release"}})
	must(t, err)
	_, err = admin.Artifact.CopyArtifact(ctx, &artifact.CopyArtifactParams{ProjectName: "release", RepositoryName: "app", From: "team/lib/app:1"})
	must(t, err)
	copied := got(admin.Artifact.GetArtifact(ctx, &artifact.GetArtifactParams{ProjectName: "release", RepositoryName: "app", Reference: "stable"}))(t).Payload
	if copied.Digest != digest {
		t.Errorf("copied: %+v", copied)
	}

	rule := &models.ImmutableRule{Action: "immutable", Template: "immutable_template",
		TagSelectors:   []*models.ImmutableSelector{{Kind: "doublestar", Decoration: "matches", Pattern: "stable"}},
		ScopeSelectors: map[string][]models.ImmutableSelector{"repository": {{Kind: "doublestar", Decoration: "repoMatches", Pattern: "**"}}}}
	_, err = ci.Immutable.CreateImmuRule(ctx, &immutable.CreateImmuRuleParams{ProjectNameOrID: "team", ImmutableRule: rule})
	must(t, err)
	if _, err := push(t, s, made.Name, made.Secret, "team/lib/app", "stable", "two"); registry.StatusOf(err) != 412 {
		t.Errorf("an immutable tag was moved: %v", err)
	}
	_, err = ci.Artifact.DeleteArtifact(ctx, &artifact.DeleteArtifactParams{ProjectName: "team", RepositoryName: repo, Reference: digest})
	if err == nil {
		t.Error("an artifact with an immutable tag was deleted")
	}
	rules := got(ci.Immutable.ListImmuRules(ctx, &immutable.ListImmuRulesParams{ProjectNameOrID: "team"}))(t).Payload
	if len(rules) != 1 {
		t.Fatalf("rules: %+v", rules)
	}
	_, err = ci.Immutable.DeleteImmuRule(ctx, &immutable.DeleteImmuRuleParams{ProjectNameOrID: "team", ImmutableRuleID: rules[0].ID})
	must(t, err)
	_, err = ci.Artifact.DeleteTag(ctx, &artifact.DeleteTagParams{ProjectName: "team", RepositoryName: repo, Reference: digest, TagName: "stable"})
	must(t, err)
	_, err = ci.Artifact.DeleteArtifact(ctx, &artifact.DeleteArtifactParams{ProjectName: "team", RepositoryName: repo, Reference: digest})
	must(t, err)
	_, err = ci.Artifact.GetArtifact(context.WithoutCancel(ctx), &artifact.GetArtifactParams{ProjectName: "team", RepositoryName: repo, Reference: digest})
	refused(t, 404, err)
}
