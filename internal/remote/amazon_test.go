package remote_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berth-registry/berth/internal/remote"
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
	hash := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	canonical := strings.Join([]string{
		"POST", "/", "",
		"content-length:2", "content-type:application/x-amz-json-1.1", "host:api.ecr.eu-west-1.amazonaws.com", "x-amz-date:20150830T123600Z",
		"x-amz-target:AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", "",
		"content-length;content-type;host;x-amz-date;x-amz-target", hash("{}"),
	}, "\n")
	const scope = "20150830/eu-west-1/ecr/aws4_request"
	signature := mac(signingKey(secret, "20150830", "eu-west-1", "ecr"), "AWS4-HMAC-SHA256\n20150830T123600Z\n"+scope+"\n"+hash(canonical))
	want := fmt.Sprintf("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/%s, SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-target, Signature=%x", scope, signature)
	if got := hr.Header.Get("Authorization"); got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
	if strings.Contains(fmt.Sprint(hr), secret) {
		t.Error("the secret is in the request")
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
