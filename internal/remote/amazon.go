package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// amazonHost is a private registry of ECR: its account and its region.
var amazonHost = regexp.MustCompile(`^[0-9]{12}\.dkr\.ecr(-fips)?\.([a-z0-9-]{1,40})\.(amazonaws\.com(\.cn)?)$`)

// An amazon is where ECR's own API is; the zero one is nowhere.
type amazon struct{ url, region string }

func amazonOf(registry *url.URL) amazon {
	parts := amazonHost.FindStringSubmatch(registry.Hostname())
	if parts == nil {
		return amazon{}
	}
	return amazon{"https://api.ecr." + parts[2] + "." + parts[3] + "/", parts[2]}
}

// amazonLogin exchanges an access key for a name and a password that hold for 12
// hours (ECR's GetAuthorizationToken). The secret itself is never sent.
func amazonLogin(ctx context.Context, r *Registry) (name, password string, err error) {
	r.mu.Lock()
	lent := r.lent
	r.mu.Unlock()
	if time.Now().Before(lent.ends) {
		return lent.name, lent.password, nil
	}
	answer, err := r.askAmazon(ctx, "GetAuthorizationToken", struct{}{})
	if err != nil {
		return "", "", err
	}
	if answer.StatusCode != http.StatusOK {
		defer drain(answer)
		return "", "", ErrRefused.With("ECR gives no token for the access key: %d", answer.StatusCode)
	}
	var body struct {
		Data []struct {
			Token string `json:"authorizationToken"`
		} `json:"authorizationData"`
	}
	if err := object(answer, maxToken, &body); err != nil {
		return "", "", err
	}
	if len(body.Data) == 0 {
		return "", "", ErrAnswer.With("ECR gives no token")
	}
	text, err := base64.StdEncoding.DecodeString(body.Data[0].Token)
	name, password, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		return "", "", ErrAnswer.With("ECR's token is none")
	}
	r.mu.Lock()
	r.lent = loan{name, password, time.Now().Add(6 * time.Hour)}
	r.mu.Unlock()
	return name, password, nil
}

// prepareAmazon makes a repository that is lacking: ECR makes none by a push. Who
// may not make any can still write to one that is there.
func prepareAmazon(ctx context.Context, r *Registry, repository string, _ bool) error {
	there := errors.New("it is there")
	err := r.Tags(ctx, repository, func([]string) error { return there })
	if err == nil || errors.Is(err, there) {
		return nil
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.askAmazon(ctx, "CreateRepository", map[string]string{"repositoryName": repository})
	if err != nil {
		return err
	}
	defer drain(answer)
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	var said struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	_ = object(answer, maxError, &said) // the status alone will do
	_, kind, prefixed := strings.Cut(said.Type, "#")
	if !prefixed {
		kind = said.Type
	}
	why := short(strings.TrimSpace(kind + " " + said.Message))
	switch kind {
	case "RepositoryAlreadyExistsException":
		return nil // somebody else has made it
	case "ThrottlingException":
		return ErrLimited.With("%s", why)
	case "AccessDeniedException":
		return ErrRefused.With("%s", why)
	}
	return ErrRejected.With("ECR makes no repository: %d %s", answer.StatusCode, why)
}

// askAmazon asks ECR's own API. Statuses below 500 are no error, but for 429.
func (r *Registry) askAmazon(ctx context.Context, action string, in any) (*http.Response, error) {
	if r.amazon.url == "" {
		return nil, ErrSettings.With("url: one of ECR is https://ACCOUNT.dkr.ecr.REGION.amazonaws.com")
	}
	hr, err := amazonRequest(ctx, r.amazon, action, in, aws.Credentials{AccessKeyID: r.account, SecretAccessKey: r.secret.Reveal()}, time.Now())
	if err != nil {
		return nil, ErrRefused.With("the access key cannot be used").Because(err)
	}
	answer, err := r.out.Do(hr, r.skipVerify)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	if answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= 500 {
		defer drain(answer)
		return nil, failure(answer, reason(answer))
	}
	return answer, nil
}

// A loan is what a vendor lends in exchange for the credentials.
type loan struct {
	name, password string
	ends           time.Time
}

// amazonRequest is signed by version 4 of Amazon's signatures.
func amazonRequest(ctx context.Context, to amazon, action string, in any, as aws.Credentials, now time.Time) (*http.Request, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	hr, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	hr.Header.Set("Content-Type", "application/x-amz-json-1.1")
	hr.Header.Set("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921."+action)
	sum := sha256.Sum256(body)
	return hr, v4.NewSigner().SignHTTP(ctx, as, hr, hex.EncodeToString(sum[:]), "ecr", to.region, now)
}
