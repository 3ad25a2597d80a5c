package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"slices"
	"strings"
)

//go:embed docs/*.md docs/*.png
var documents embed.FS

//go:embed page.html
var frame string

// Documents are served below docsPath. The file indexDocument is the page of the
// folder itself: it lists the other pages, and its list is the navigation of all
// pages.
const (
	docsPath      = "/docs/"
	indexDocument = "README"
)

// pictureExtension is that of the pictures, which are served beside the documents.
const pictureExtension = ".png"

// page is the data for the template of a document.
type page struct {
	Assets     string // the path of style sheets and scripts
	Title      string
	Source     string // the Markdown file
	Navigation []entry
	Contents   []heading // headings of this page, without its title
	Body       template.HTML
}

// entry is a page in the navigation.
type entry struct {
	Title, Href string
	Current     bool
}

// loadDocuments returns each file docs/NAME.md unchanged, at "/docs/NAME.md", and as a
// page, at "/docs/NAME", their pictures, and what they are searched in, at
// "/docs/search.json".
func loadDocuments(assets string) (files, error) {
	all := files{}
	names, err := documentNames()
	if err != nil {
		return nil, fmt.Errorf("load documents: %w", err)
	}
	index, err := parseDocument(indexDocument, names)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if name != indexDocument && !slices.ContainsFunc(index.links, func(l link) bool { return l.document == name }) {
			return nil, fmt.Errorf("render %s.md: the index has no link to it", name)
		}
	}
	framed, err := template.New("page").Parse(frame)
	if err != nil {
		return nil, fmt.Errorf("parse page.html: %w", err)
	}
	var sections []section
	for _, name := range names {
		d, err := parseDocument(name, names)
		if err != nil {
			return nil, err
		}
		sections = append(sections, d.sections()...)
		body, err := d.render()
		if err != nil {
			return nil, err
		}
		filled := page{
			Assets: "../" + assets, Title: d.title, Source: name + ".md", Contents: d.headings,
			Body: template.HTML(body), //nolint:gosec // rendered here, of our own files, without their raw HTML
		}
		for _, l := range index.links {
			filled.Navigation = append(filled.Navigation, entry{Title: l.text, Href: pageOf(l.document), Current: l.document == name})
		}
		var b bytes.Buffer
		if err := framed.Execute(&b, filled); err != nil {
			return nil, fmt.Errorf("render %s.md: %w", name, err)
		}
		path := docsPath + name
		if name == indexDocument {
			path = docsPath
		}
		all.addPage(path, ".html", b.Bytes())
		all.addPage(docsPath+name+".md", ".md", d.source)
	}
	pictures, err := fs.Glob(documents, "docs/*"+pictureExtension)
	if err != nil {
		return nil, fmt.Errorf("list pictures: %w", err)
	}
	for _, name := range pictures {
		picture, err := documents.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read picture: %w", err)
		}
		all.addPage("/"+name, pictureExtension, picture)
	}
	if err := all.addSearched(docsPath+searchName, sections); err != nil {
		return nil, err
	}
	return all, nil
}

// pageOf returns the link to a document's page from other pages.
func pageOf(document string) string {
	if document == indexDocument {
		return "./"
	}
	return document
}

// documentNames returns the names of the documents, without the extension.
func documentNames() (names []string, err error) {
	entries, err := documents.ReadDir("docs")
	for _, entry := range entries {
		if name, isMarkdown := strings.CutSuffix(entry.Name(), ".md"); isMarkdown {
			names = append(names, name)
		}
	}
	if err == nil && !slices.Contains(names, indexDocument) {
		err = errors.New("the index is missing")
	}
	return names, err
}
