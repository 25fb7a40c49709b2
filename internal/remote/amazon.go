package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// amazonHost is a private registry of ECR: its account and its region.
var amazonHost = regexp.MustCompile(`^[0-9]{12}\.dkr\.ecr(-fips)?\.([a-z0-9-]{1,40})\.(amazonaws\.com(\.cn)?)$`)

// amazonLogin exchanges an access key for a name and a password that hold for 12
// hours (ECR's GetAuthorizationToken). The secret itself is never sent.
func amazonLogin(ctx context.Context, r *Registry) (name, password string, err error) {
	parts := amazonHost.FindStringSubmatch(r.base.Hostname())
	if parts == nil {
		return "", "", ErrSettings.With("url: one of ECR is https://ACCOUNT.dkr.ecr.REGION.amazonaws.com")
	}
	r.mu.Lock()
	lent := r.lent
	r.mu.Unlock()
	if time.Now().Before(lent.ends) {
		return lent.name, lent.password, nil
	}
	hr, err := amazonRequest(ctx, "https://api.ecr."+parts[2]+"."+parts[3]+"/", parts[2], aws.Credentials{AccessKeyID: r.account, SecretAccessKey: r.secret.Reveal()}, time.Now())
	if err != nil {
		return "", "", ErrRefused.With("the access key cannot be used").Because(err)
	}
	answer, err := r.out.Do(hr, r.skipVerify)
	if err != nil {
		return "", "", unreachable(ctx, err)
	}
	if answer.StatusCode != http.StatusOK {
		defer drain(answer)
		if answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= 500 {
			return "", "", failure(answer, reason(answer))
		}
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

// A loan is what a vendor lends in exchange for the credentials.
type loan struct {
	name, password string
	ends           time.Time
}

// amazonRequest is signed by version 4 of Amazon's signatures.
func amazonRequest(ctx context.Context, to, region string, as aws.Credentials, now time.Time) (*http.Request, error) {
	body := []byte("{}")
	hr, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	hr.Header.Set("Content-Type", "application/x-amz-json-1.1")
	hr.Header.Set("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
	sum := sha256.Sum256(body)
	return hr, v4.NewSigner().SignHTTP(ctx, as, hr, hex.EncodeToString(sum[:]), "ecr", region, now)
}
