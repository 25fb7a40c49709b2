package api

import (
	"encoding/json"
	"testing"
)

func TestDescriptionsHoldNoHTMLAndComeBackAsTheyWereShown(t *testing.T) {
	const path = "/projects/alpha/repositories/app"
	w := newWorld(t)
	for sent, shown := range map[string]string{
		"# plain *words*":                    "# plain *words*",
		`<script>alert(1)</script>`:          "&lt;script&gt;alert(1)&lt;/script&gt;",
		`<img src=x onerror="alert('1')">`:   "&lt;img src=x onerror=&#34;alert(&#39;1&#39;)&#34;&gt;",
		`[x](javascript:alert(1)) & <b`:      "[x](javascript:alert(1)) &amp; &lt;b",
		"&lt;b&gt; &amp;lt; &#60;i&#62; &lt": "&lt;b&gt; &amp;lt; &lt;i&gt; &lt;",
	} {
		for _, text := range []string{sent, shown} {
			body, err := json.Marshal(map[string]string{"description": text})
			if err != nil {
				t.Fatal(err)
			}
			w.want(200, "dev", "PUT "+path+"\n\n"+string(body))
			if got := into[repositoryBody](t, w.want(200, "lim", "GET "+path)).Description; got != shown {
				t.Errorf("%s is shown as %s, want %s", text, got, shown)
			}
		}
		for _, r := range into[[]repositoryBody](t, w.want(200, "lim", "GET /projects/alpha/repositories?q=name%3D~app")) {
			if r.Description != shown {
				t.Errorf("%s is listed as %s, want %s", sent, r.Description, shown)
			}
		}
	}
}
