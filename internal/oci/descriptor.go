package oci

import (
	"encoding/json"
	"strconv"
	"strings"
)

// A Descriptor points at content, as the image specification's descriptor does.
// Fields that are not listed here are left where they are, in the manifest's
// bytes.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       Digest            `json:"digest"`
	Size         int64             `json:"size"` // bytes
	ArtifactType string            `json:"artifactType,omitempty"`
	URLs         []string          `json:"urls,omitempty"` // never to be followed: they are the client's word
	Annotations  map[string]string `json:"annotations,omitempty"`
	Platform     *Platform         `json:"platform,omitempty"`
}

// A Platform is what a child of an index is made to run on.
type Platform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
}

// A wrong says where in a document something is wrong, and what. It becomes an
// error, and a sentence, where the document is refused.
type wrong struct{ path, reason string }

// at returns the wrong as seen from outside the field that it is in.
func (w *wrong) at(field string) *wrong {
	switch {
	case w.path == "":
		return &wrong{field, w.reason}
	case w.path[0] == '[':
		return &wrong{field + w.path, w.reason}
	}
	return &wrong{field + "." + w.path, w.reason}
}

func (w *wrong) text() string {
	if w.path == "" {
		return w.reason
	}
	return w.path + ": " + w.reason
}

// A rawDescriptor is a descriptor's members as they are written.
type rawDescriptor struct {
	mediaType, digest, size, artifactType, urls, annotations, platform []byte
}

func (d *rawDescriptor) member(key string) *[]byte {
	switch key {
	case "mediaType":
		return &d.mediaType
	case "digest":
		return &d.digest
	case "size":
		return &d.size
	case "artifactType":
		return &d.artifactType
	case "urls":
		return &d.urls
	case "annotations":
		return &d.annotations
	case "platform":
		return &d.platform
	}
	return nil
}

var descriptorKeys = []string{"mediaType", "digest", "size", "artifactType", "urls", "annotations", "platform"}

func readDescriptor(value []byte) (d Descriptor, w *wrong) {
	if value == nil || !isObject(value) {
		return d, &wrong{reason: "it is not an object"}
	}
	var raw rawDescriptor
	if w = collect(value, raw.member, descriptorKeys); w != nil {
		return d, w
	}
	if d.MediaType, w = mediaType(raw.mediaType); w != nil {
		return d, w.at("mediaType")
	}
	if d.Digest, w = readDigest(raw.digest); w != nil {
		return d, w.at("digest")
	}
	if d.Size, w = readSize(raw.size); w != nil {
		return d, w.at("size")
	}
	if d.ArtifactType, w = mediaType(raw.artifactType); w != nil {
		return d, w.at("artifactType")
	}
	if d.Annotations, w = readStrings(raw.annotations); w != nil {
		return d, w.at("annotations")
	}
	if given(raw.urls) && json.Unmarshal(raw.urls, &d.URLs) != nil {
		return d, &wrong{"urls", "it is not an array of strings"}
	}
	if given(raw.platform) && json.Unmarshal(raw.platform, &d.Platform) != nil {
		return d, &wrong{"platform", "it is not a platform"}
	}
	return d, nil
}

// readDescriptors reads an array of descriptors; an absent one is empty.
func readDescriptors(value []byte) ([]Descriptor, *wrong) {
	if !given(value) {
		return nil, nil
	}
	if !isArray(value) {
		return nil, &wrong{reason: "it is not an array"}
	}
	var list []Descriptor
	for element := range elements(value) {
		if len(list) == maxReferences {
			return nil, &wrong{reason: "it has more than " + strconv.Itoa(maxReferences) + " elements"}
		}
		d, w := readDescriptor(element)
		if w != nil {
			return nil, w.at("[" + strconv.Itoa(len(list)) + "]")
		}
		list = append(list, d)
	}
	return list, nil
}

func readDigest(value []byte) (Digest, *wrong) {
	if !given(value) {
		return "", &wrong{reason: "it is missing"}
	}
	if !isString(value) {
		return "", &wrong{reason: "it is not a string"}
	}
	s := text(value)
	if reason := wrongDigest(s); reason != "" {
		return "", &wrong{reason: reason}
	}
	return Digest(s), nil
}

func readSize(value []byte) (int64, *wrong) {
	if !given(value) {
		return 0, &wrong{reason: "it is missing"}
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	switch {
	case err != nil:
		return 0, &wrong{reason: "it is not a whole number of bytes"}
	case n < 0:
		return 0, &wrong{reason: "it is negative"}
	case n > maxSize:
		return 0, &wrong{reason: "it is more than " + strconv.FormatInt(maxSize, 10)}
	}
	return n, nil
}

// readStrings reads an object whose values are strings, as annotations are.
func readStrings(value []byte) (map[string]string, *wrong) {
	if !given(value) {
		return nil, nil
	}
	var m map[string]string
	if json.Unmarshal(value, &m) != nil {
		return nil, &wrong{reason: "it is not an object of strings"}
	}
	return m, nil
}

// mediaType reads a media type; an absent one is empty.
func mediaType(value []byte) (string, *wrong) {
	if !given(value) {
		return "", nil
	}
	if !isString(value) {
		return "", &wrong{reason: "it is not a string"}
	}
	s := text(value)
	return s, checkMediaType(s)
}

// checkMediaType refuses what could not be sent in a header or kept in a
// database. It does not ask for RFC 6838: types without a slash are in use.
func checkMediaType(s string) *wrong {
	if len(s) > maxMediaType {
		return &wrong{reason: "it is longer than " + strconv.Itoa(maxMediaType) + " bytes"}
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return &wrong{reason: "it is not a media type: " + quote(s)}
	}
	return nil
}

// given reports whether a member is there. Writers that mean "none" say null.
func given(value []byte) bool { return value != nil && !isNull(value) }
