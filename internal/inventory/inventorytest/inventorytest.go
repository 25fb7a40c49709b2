// Package inventorytest makes images of which others have said what is installed
// in them and what is wrong with it. The recipes and lists are no part of the
// program: they are in a folder that BERTH_TEST_FACTS names, and tests that ask for
// them are skipped where it names none.
package inventorytest

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/oci"
)

// MediaType is that of the layers.
const MediaType = "application/vnd.oci.image.layer.v1.tar"

// Folder returns the folder "scan" of that which BERTH_TEST_FACTS names, or skips
// the test.
func Folder(t testing.TB) string {
	t.Helper()
	facts := os.Getenv("BERTH_TEST_FACTS")
	if facts == "" {
		t.Skip("not run: BERTH_TEST_FACTS names no folder with images, advisories, and what others found")
	}
	return filepath.Join(facts, "scan")
}

// Images makes all images of the recipe, or skips the test. It returns the layers of
// each, uncompressed, the lowest first. A layer that two images have is the same in
// both. One of them needs Go, and modules that are fetched where they are not at
// hand.
func Images(t testing.TB) map[string][][]byte {
	t.Helper()
	folder := filepath.Join(Folder(t), "images")
	text, err := os.ReadFile(filepath.Join(folder, "recipe.json"))
	if err != nil {
		t.Fatal(err)
	}
	var recipe struct{ Images map[string][][]item }
	if err := json.Unmarshal(text, &recipe); err != nil {
		t.Fatal(err)
	}
	k, all := kitchen{t, filepath.Join(folder, "files"), recipe.Images}, map[string][][]byte{}
	for name, layers := range recipe.Images {
		for _, items := range layers {
			all[name] = append(all[name], k.layer(items))
		}
	}
	return all
}

// Inventories returns what is found in images, by their names.
func Inventories(t testing.TB, images map[string][][]byte) map[string]inventory.Inventory {
	t.Helper()
	all := map[string]inventory.Inventory{}
	for _, name := range slices.Sorted(maps.Keys(images)) {
		var layers []inventory.Layer
		for _, l := range images[name] {
			layers = append(layers, inventory.Layer{Digest: oci.Sum(oci.SHA256, l), Facts: read(t, l)})
		}
		all[name] = inventory.Merge(layers)
	}
	return all
}

// read returns the facts of a layer, after they were kept.
func read(t testing.TB, layer []byte) *inventory.Facts {
	t.Helper()
	f, err := inventory.ReadLayer(t.Context(), bytes.NewReader(layer), MediaType, inventory.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if f, err = inventory.Decode(kept); err != nil {
		t.Fatal(err)
	}
	return f
}

// Expected returns the rows of a list of what others found in an image: "packages"
// (package URL, name, version, path), "findings" (ecosystem, package as advisories
// name it, version, advisory, first fixed version, origin of the row), or
// "must-not-report" (ecosystem, package, version, why), of which there may be none.
func Expected(t testing.TB, image, list string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Folder(t), "expected", image+"."+list+".tsv"))
	if err != nil && (list != "must-not-report" || !os.IsNotExist(err)) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
		}
	}
	return rows
}
