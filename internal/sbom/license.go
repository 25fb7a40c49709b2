package sbom

import (
	_ "embed"
	"strings"
)

// Lists of SPDX's own names of licences and of exceptions to them, deprecated ones
// too, one a line.
var (
	//go:embed licenses.txt
	licenseList string
	//go:embed exceptions.txt
	exceptionList string

	licenseNames   = byLower(licenseList)
	exceptionNames = byLower(exceptionList)
)

// byLower returns the names of a list by their lower case: case does not matter in
// expressions.
func byLower(list string) map[string]string {
	names := map[string]string{}
	for name := range strings.FieldsSeq(list) {
		names[strings.ToLower(name)] = name
	}
	return names
}

// Bounds of expressions.
const (
	maxExpression = 1024 // bytes
	maxParens     = 16   // within each other
)

// Expression returns what licences say together, as a valid SPDX expression
// (SPDX 2.3, annex D) of licences that SPDX knows, in SPDX's own spelling, and
// whether it is one.
func Expression(licenses []string) (string, bool) {
	var all []string
	for _, l := range licenses {
		e, ok := expression(l)
		if !ok {
			return "", false
		}
		if len(licenses) > 1 && strings.Contains(e, " OR ") {
			e = "(" + e + ")"
		}
		all = append(all, e)
	}
	return strings.Join(all, " AND "), len(all) > 0
}

// expression returns one licence in SPDX's spelling.
func expression(s string) (string, bool) {
	if len(s) > maxExpression {
		return "", false
	}
	p := &parser{words: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s))}
	e := p.either(0)
	return e, !p.failed && len(p.words) == 0
}

// A parser reads an expression word by word.
type parser struct {
	words  []string
	failed bool
}

// next takes a word, or "" at the end.
func (p *parser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// accept takes an operator if it is the next word.
func (p *parser) accept(operator string) bool {
	if len(p.words) == 0 || !strings.EqualFold(p.words[0], operator) {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *parser) either(depth int) string {
	e := p.both(depth)
	for p.accept("OR") {
		e += " OR " + p.both(depth)
	}
	return e
}

func (p *parser) both(depth int) string {
	e := p.one(depth)
	for p.accept("AND") {
		e += " AND " + p.one(depth)
	}
	return e
}

// one reads a licence, perhaps with an exception, or what is in parentheses.
func (p *parser) one(depth int) string {
	if p.accept("(") {
		if depth == maxParens {
			p.failed = true
			return ""
		}
		e := "(" + p.either(depth+1) + ")"
		p.failed = p.failed || p.next() != ")"
		return e
	}
	name, later := strings.CutSuffix(p.next(), "+")
	e, known := licenseNames[strings.ToLower(name)]
	if whole, ok := licenseNames[strings.ToLower(name)+"+"]; later && ok { // GPL-2.0+ is a name
		e, known, later = whole, true, false
	}
	if later {
		e += "+"
	}
	p.failed = p.failed || !known
	if p.accept("WITH") {
		exception, known := exceptionNames[strings.ToLower(p.next())]
		p.failed = p.failed || !known
		e += " WITH " + exception
	}
	return e
}
