package remote_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/secret"
)

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func signingKey(secret, day, region, service string) []byte {
	return mac(mac(mac(mac([]byte("AWS4"+secret), day), region), service), "aws4_request")
}

// The request is signed as Amazon's documentation has it ("Create a signed AWS
// API request"), reckoned here by hand.
func TestAmazonSignature(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	if got := hex.EncodeToString(signingKey(secret, "20120215", "us-east-1", "iam")); got != "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d" {
		t.Fatalf("the documentation's example of a key: %s", got)
	}
	now := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	hr, err := remote.AmazonRequest(t.Context(), "https://api.ecr.eu-west-1.amazonaws.com/", "eu-west-1", aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secret}, now)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(hr.Body)
	if string(body) != "{}" || hr.Method != "POST" || hr.Header.Get("X-Amz-Date") != "20150830T123600Z" ||
		hr.Header.Get("Content-Type") != "application/x-amz-json-1.1" || hr.Header.Get("X-Amz-Target") != "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" {
		t.Errorf("%s %q %v", hr.Method, body, hr.Header)
	}
	want := amazonSignature("AKIDEXAMPLE", secret, "eu-west-1", "20150830T123600Z", "api.ecr.eu-west-1.amazonaws.com", "GetAuthorizationToken", "{}")
	if got := hr.Header.Get("Authorization"); got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
	if strings.Contains(fmt.Sprint(hr), secret) {
		t.Error("the secret is in the request")
	}
}

// amazonSignature is what a request says that asks ECR for something.
func amazonSignature(key, secret, region, at, host, action, body string) string {
	hash := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	canonical := strings.Join([]string{
		"POST", "/", "",
		fmt.Sprintf("content-length:%d", len(body)), "content-type:application/x-amz-json-1.1", "host:" + host, "x-amz-date:" + at,
		"x-amz-target:AmazonEC2ContainerRegistry_V20150921." + action, "",
		"content-length;content-type;host;x-amz-date;x-amz-target", hash(body),
	}, "\n")
	scope := at[:8] + "/" + region + "/ecr/aws4_request"
	signature := mac(signingKey(secret, at[:8], region, "ecr"), "AWS4-HMAC-SHA256\n"+at+"\n"+scope+"\n"+hash(canonical))
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-target, Signature=%x", key, scope, signature)
}

// A repository of ECR is made before it is written to, and by nobody twice.
func TestAmazonRepositories(t *testing.T) {
	const region = "eu-west-1"
	for name, tt := range map[string]struct {
		there  bool
		status int
		says   string
		want   error
		asks   string
	}{
		"it is there":          {true, 0, "", nil, "GetAuthorizationToken"},
		"it is made":           {false, 200, `{"repository":{}}`, nil, "GetAuthorizationToken CreateRepository"},
		"another makes it":     {false, 400, `{"__type":"RepositoryAlreadyExistsException","message":"x"}`, nil, "GetAuthorizationToken CreateRepository"},
		"it may not be made":   {false, 400, `{"__type":"com.amazonaws.ecr#AccessDeniedException","message":"no"}`, remote.ErrRefused, "GetAuthorizationToken CreateRepository"},
		"it cannot be made":    {false, 400, `{"__type":"InvalidParameterException","message":"no"}`, remote.ErrRejected, "GetAuthorizationToken CreateRepository"},
		"it is asked too much": {false, 400, `{"__type":"ThrottlingException"}`, remote.ErrLimited, "GetAuthorizationToken CreateRepository"},
		"it fails":             {false, 500, `{}`, remote.ErrUnavailable, "GetAuthorizationToken CreateRepository"},
		"it says nothing":      {false, 403, ``, remote.ErrRejected, "GetAuthorizationToken CreateRepository"},
	} {
		var asks []string
		registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				switch as, pass, _ := r.BasicAuth(); {
				case as != "AWS" || pass != "lent":
					w.Header().Set("WWW-Authenticate", "Basic x")
					w.WriteHeader(http.StatusUnauthorized)
				case tt.there && r.URL.Path == "/v2/team/deep/app/tags/list":
					writeJSON(w, map[string]any{"tags": nil})
				default:
					w.WriteHeader(http.StatusNotFound)
				}
				return
			}
			body, _ := io.ReadAll(r.Body)
			action, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonEC2ContainerRegistry_V20150921.")
			if got, want := r.Header.Get("Authorization"), amazonSignature(account, password, region, r.Header.Get("X-Amz-Date"), r.Host, action, string(body)); got != want {
				t.Errorf("%s: %s: %s, want %s", name, action, got, want)
			}
			switch asks = append(asks, action); {
			case action == "GetAuthorizationToken" && string(body) == "{}":
				writeJSON(w, map[string]any{"authorizationData": []any{map[string]string{"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:lent"))}}})
			case action == "CreateRepository" && string(body) == `{"repositoryName":"team/deep/app"}`:
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.says)
			default:
				t.Errorf("%s: %s %s", name, action, body)
			}
		})
		r := connectTo(t, remote.Settings{Kind: remote.Amazon, URL: registry.URL, Account: account, Secret: secret.New(password)})
		r.AmazonAt(registry.URL+"/", region)
		if err := r.Prepare(t.Context(), "team/deep/app", false); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Join(asks, " "); got != tt.asks {
			t.Errorf("%s: it was asked for %s", name, got)
		}
	}
}

// A host that is none of Amazon's gets neither the secret nor anything made of it.
func TestAmazonKeyGoesToAmazonOnly(t *testing.T) {
	registry := serve(t, here, asksBasic)
	r := connectTo(t, remote.Settings{Kind: remote.Amazon, URL: registry.URL, Account: account})
	if err := r.Ping(t.Context()); !errors.Is(err, remote.ErrSettings) {
		t.Error(err)
	}
	for _, v := range registry.take() {
		if v.header.Get("Authorization") != "" {
			t.Errorf("%v", v)
		}
	}
}
