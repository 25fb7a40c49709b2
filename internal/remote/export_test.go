package remote

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

var (
	Short = short
)

// AmazonRequest is amazonRequest, of GetAuthorizationToken.
func AmazonRequest(ctx context.Context, to, region string, as aws.Credentials, now time.Time) (*http.Request, error) {
	return amazonRequest(ctx, amazon{to, region}, "GetAuthorizationToken", struct{}{}, as, now)
}

// AmazonAt has ECR's own API be elsewhere.
func (r *Registry) AmazonAt(to, region string) { r.amazon = amazon{to, region} }

// Trusted is trusted, of URLs as text.
func Trusted(registry, realm string) bool {
	a, err := url.Parse(registry)
	if err != nil {
		panic(err)
	}
	b, err := url.Parse(realm)
	if err != nil {
		panic(err)
	}
	return trusted(a, b)
}

// Hurry has the registry given up after a time without a byte, and what broke
// tried again at once.
func (r *Registry) Hurry(stall time.Duration) {
	r.times.stall, r.times.pause, r.times.patience = stall, time.Millisecond, stall
}

// HurryAll bounds the time of everything.
func (r *Registry) HurryAll(limit time.Duration) {
	r.times = times{hash: limit, ask: limit, stall: limit, pause: time.Millisecond, patience: limit}
}

// EndTokens has the time of all tokens be over.
func (r *Registry) EndTokens() {
	r.auth.mu.Lock()
	defer r.auth.mu.Unlock()
	for _, t := range r.auth.tokens {
		if !t.ends.IsZero() {
			t.ends = time.Now()
		}
	}
}
