package api

import (
	"context"
	"net/url"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/sign"
)

// trusts answers for what projects trust signatures by, and for what the
// signatures of artifacts come to.
type trusts struct {
	signatures *sign.Service
	catalog    artifact.Catalog
}

type trustBody struct {
	ID          int64           `json:"id" readOnly:"true"`
	Name        string          `json:"name" doc:"one of its own in the project"`
	Description string          `json:"description"`
	Kind        string          `json:"kind" doc:"key, authority, keyless or notation; it never changes"`
	Content     string          `json:"content" doc:"of key a public key in PEM, of authority the certificates of authorities in PEM, of keyless a trusted_root.json of Sigstore, of notation certificates in PEM of authorities or signers; never a private key"`
	Timestamps  string          `json:"timestamps,omitempty" doc:"of authority and notation: certificates in PEM of who says when something was signed"`
	Identities  []trustIdentity `json:"identities,omitempty" doc:"who may have signed; one at least, but for key"`
	Created     moment          `json:"creation_time" readOnly:"true"`
	Updated     moment          `json:"update_time" readOnly:"true"`
}

type trustIdentity struct {
	Issuer  string `json:"issuer,omitempty" doc:"of keyless: where they signed in, exactly"`
	Subject string `json:"subject" doc:"an address or a URL, in which * stands for any text without a slash and ** for any text; of notation a distinguished name with C, ST and O, or *"`
}

func asTrust(e sign.Entry) trustBody {
	return trustBody{
		ID: e.ID, Name: e.Name, Description: e.Description, Kind: string(e.Kind), Content: e.Content, Timestamps: e.Timestamps,
		Identities: each(e.Identities, func(id sign.Identity) trustIdentity { return trustIdentity(id) }),
		Created:    moment(e.Created), Updated: moment(e.Updated),
	}
}

// entry returns what a body asks for.
func (b trustBody) entry(projectID, id int64) sign.Entry {
	return sign.Entry{
		ID: id, ProjectID: projectID, Name: b.Name, Description: b.Description, Kind: sign.Kind(b.Kind), Content: b.Content, Timestamps: b.Timestamps,
		Identities: each(b.Identities, func(id trustIdentity) sign.Identity { return sign.Identity(id) }),
	}
}

type listTrust struct {
	InProject
	Filtering
	Paging
}

func (t trusts) list(ctx context.Context, in *listTrust) (*list[trustBody], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := t.signatures.List(ctx, in.project.ID, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asTrust), nil
}

type createTrust struct {
	InProject
	Body trustBody `nameHint:"TrustEntry"`
}

func (t trusts) create(ctx context.Context, in *createTrust) (*created, error) {
	id, err := t.signatures.Create(ctx, in.Body.entry(in.project.ID, 0))
	if err != nil {
		return nil, err
	}
	return &created{at("/projects/%s/trust/%d", url.PathEscape(in.NameOrID), id)}, nil
}

// TrustPath is the part of a request that names an entry, which is looked up in
// the project alone.
type TrustPath struct {
	InProject
	ID int64 `path:"trust_id"`
}

type getTrust struct{ TrustPath }

type trustAnswer struct {
	Body trustBody `nameHint:"TrustEntry"`
}

func (t trusts) get(ctx context.Context, in *getTrust) (*trustAnswer, error) {
	e, err := t.signatures.ByID(ctx, in.project.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return &trustAnswer{asTrust(e)}, nil
}

type updateTrust struct {
	TrustPath
	Body trustBody `nameHint:"TrustEntry"`
}

func (t trusts) update(ctx context.Context, in *updateTrust) (*nothing, error) {
	return nil, t.signatures.Update(ctx, in.Body.entry(in.project.ID, in.ID))
}

func (t trusts) delete(ctx context.Context, in *getTrust) (*nothing, error) {
	return nil, t.signatures.Delete(ctx, in.project.ID, in.ID)
}

type getSignatures struct{ InArtifact }

type signaturesAnswer struct {
	Body verdictBody `nameHint:"Signatures"`
}

type verdictBody struct {
	Verified   bool            `json:"verified" doc:"one signature at least is"`
	Trusting   bool            `json:"trusting" doc:"the project trusts something; otherwise nothing can be verified"`
	More       bool            `json:"more" doc:"there are more signatures than the first 50, which were not looked at"`
	Signatures []signatureBody `json:"signatures"`
}

type signatureBody struct {
	Kind        string      `json:"kind" doc:"cosign, bundle or notation"`
	Type        string      `json:"type" doc:"of the accessory: signature.cosign or signature.notation"`
	Artifact    string      `json:"artifact_digest" doc:"of the accessory that it is in"`
	Digest      string      `json:"digest" doc:"of what was signed, of the bundle or of the envelope; empty where there is none"`
	Verified    bool        `json:"verified"`
	Reason      string      `json:"reason,omitempty" doc:"why it is not verified"`
	VerifiedBy  *trustedBy  `json:"verified_by,omitempty" doc:"missing: it is not verified"`
	Signer      *signerBody `json:"signer,omitempty" doc:"missing: it is not verified, so nobody knows"`
	SigningTime *moment     `json:"signing_time,omitempty" doc:"as somebody trusted saw it, or as the signer says in an envelope; missing: nobody says"`
}

type trustedBy struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type signerBody struct {
	Fingerprint string `json:"fingerprint" doc:"SHA-256 of the key, or of the certificate"`
	Subject     string `json:"subject,omitempty" doc:"who they are by their certificate"`
	Issuer      string `json:"issuer,omitempty" doc:"where they signed in, or whose certificate it is"`
}

func asSignature(s sign.Signature) signatureBody {
	b := signatureBody{
		Kind: string(s.Form), Type: s.Type, Artifact: string(s.Artifact), Digest: string(s.Digest), Verified: s.Verified, Reason: s.Reason,
	}
	if s.Verified {
		b.VerifiedBy = &trustedBy{s.EntryID, s.EntryName}
		b.Signer = &signerBody{s.Signer.Fingerprint, s.Signer.Subject, s.Signer.Issuer}
		b.SigningTime = perhaps(s.Signed)
	}
	return b
}

func (t trusts) verdict(ctx context.Context, in *getSignatures) (*signaturesAnswer, error) {
	repo, ref, err := in.artifact()
	if err != nil {
		return nil, err
	}
	a, err := t.catalog.Artifact(ctx, repo, ref, artifact.Parts{})
	if err != nil {
		return nil, err
	}
	v, err := t.signatures.Verdict(ctx, repo, a.Digest)
	if err != nil {
		return nil, err
	}
	return &signaturesAnswer{verdictBody{v.Verified(), v.Trusting, v.More, all(v.Signatures, asSignature)}}, nil
}
