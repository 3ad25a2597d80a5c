package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
)

//go:embed examples
var examples embed.FS

// Examples are served below examplesPath.
const examplesPath = "/examples/"

// examplePolicy is the Content Security Policy of an example: like that of the other
// pages, and with the script and the style that are in it, by their hashes. Its icon is in
// it, too.
const examplePolicy = "default-src 'none'; script-src 'self' %s; style-src %s; img-src data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

var (
	inlineScript = regexp.MustCompile(`(?s)<script type="module">(.*?)</script>`)
	inlineStyle  = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
)

// loadExamples returns each file of the folder examples unchanged and as text, such as
// "/examples/chat.html", to be read and downloaded, and those in HTML also as pages, such as
// "/examples/chat". The index is the page of the folder itself.
func loadExamples() (files, error) {
	all := files{}
	entries, err := examples.ReadDir("examples")
	if err != nil {
		return nil, fmt.Errorf("list examples: %w", err)
	}
	for _, entry := range entries {
		text, err := examples.ReadFile("examples/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read example: %w", err)
		}
		all.addPage(examplesPath+entry.Name(), ".txt", text)
		name, isPage := strings.CutSuffix(entry.Name(), ".html")
		if !isPage {
			continue
		}
		place := examplesPath + strings.TrimSuffix(name, "index")
		all.addPage(place, ".html", text)
		page := all[place]
		page.policy = fmt.Sprintf(examplePolicy, hashes(inlineScript, text), hashes(inlineStyle, text))
		all[place] = page
	}
	return all, nil
}

// hashes returns what a policy calls the inline elements of a page that a pattern finds
// (CSP level 3, section 2.3.1).
func hashes(inline *regexp.Regexp, page []byte) string {
	var sources []string
	for _, match := range inline.FindAllSubmatch(page, -1) {
		sum := sha256.Sum256(match[1])
		sources = append(sources, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return strings.Join(sources, " ")
}
