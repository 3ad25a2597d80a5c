package web

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// markdown renders CommonMark with the tables of GitHub's dialect. Columns are
// aligned by attribute, because the policy allows no inline style.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
)

// commentBlock is HTML block kind 2 of CommonMark (section 4.6): <!-- to -->. Tables
// of measurements are between two of them.
const commentBlock = ast.HTMLBlockType2

// errRawHTML: text to be displayed, such as <token>, has to be marked as code.
var errRawHTML = errors.New("the document has raw HTML, which is not rendered")

// document is a parsed Markdown file.
type document struct {
	name, title string
	source      []byte
	root        ast.Node
	headings    []heading // of level 2 and 3
	links       []link    // to other documents
}

// heading is a heading within a document.
type heading struct {
	Level    int
	ID, Text string
}

// link is a link from one document to another.
type link struct{ document, text string }

// parseDocument parses a document, and turns its links to files of the same folder
// into links to their pages. Links to other files would be broken once the document
// is served, so they are an error.
func parseDocument(name string, names []string) (*document, error) {
	source, err := documents.ReadFile("docs/" + name + ".md")
	if err != nil {
		return nil, fmt.Errorf("read %s.md: %w", name, err)
	}
	context := parser.NewContext(parser.WithIDs(anchors{}))
	d := &document{name: name, source: source, root: markdown.Parser().Parse(text.NewReader(source), parser.WithContext(context))}
	var comments []ast.Node
	err = ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			d.note(n)
		case *ast.Link:
			return ast.WalkContinue, d.follow(n, names)
		case *ast.Image:
			if _, err := fs.Stat(documents, "docs/"+string(n.Destination)); err != nil {
				return ast.WalkStop, fmt.Errorf("picture: %w", err)
			}
		case *ast.HTMLBlock:
			if n.HTMLBlockType != commentBlock {
				return ast.WalkStop, errRawHTML
			}
			comments = append(comments, n)
		case *ast.RawHTML:
			return ast.WalkStop, errRawHTML
		}
		return ast.WalkContinue, nil
	})
	for _, comment := range comments {
		comment.Parent().RemoveChild(comment.Parent(), comment)
	}
	if err == nil && d.title == "" {
		err = errors.New("the document has no title")
	}
	if err != nil {
		return nil, fmt.Errorf("parse %s.md: %w", name, err)
	}
	return d, nil
}

// note records a heading.
func (d *document) note(n *ast.Heading) {
	words := plain(n, d.source)
	switch {
	case n.Level == 1:
		d.title = words
	case n.Level <= 3:
		id, _ := n.AttributeString("id")
		anchor, _ := id.([]byte)
		d.headings = append(d.headings, heading{Level: n.Level, ID: string(anchor), Text: words})
	}
}

// follow records a link, and turns it into a link between pages.
func (d *document) follow(n *ast.Link, names []string) error {
	destination := string(n.Destination)
	if strings.HasPrefix(destination, "#") || strings.HasPrefix(destination, "https://") {
		return nil
	}
	path, anchor, hasAnchor := strings.Cut(destination, "#")
	name, isMarkdown := strings.CutSuffix(path, ".md")
	if !isMarkdown || !slices.Contains(names, name) {
		return fmt.Errorf("link to %q: not a document of this folder", destination)
	}
	d.links = append(d.links, link{document: name, text: plain(n, d.source)})
	destination = pageOf(name)
	if hasAnchor {
		destination += "#" + anchor
	}
	n.Destination = []byte(destination)
	return nil
}

func (d *document) render() ([]byte, error) {
	var b bytes.Buffer
	if err := markdown.Renderer().Render(&b, d.source, d.root); err != nil {
		return nil, fmt.Errorf("render %s.md: %w", d.name, err)
	}
	return emptyHeader.ReplaceAll(b.Bytes(), []byte("<td$1></td>")), nil
}

// emptyHeader is the header of a column without one, which is no header for those who
// hear the page.
var emptyHeader = regexp.MustCompile(`<th( align="[a-z]+")?></th>`)

// plain returns the text of a node and its descendants.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		if t, ok := child.(*ast.Text); ok {
			b.Write(t.Segment.Value(source))
			if t.SoftLineBreak() {
				b.WriteByte(' ')
			}
			continue
		}
		b.WriteString(plain(child, source))
	}
	return b.String()
}

// anchors makes the ids of a document's headings as GitHub does, so that links to
// them work in the repository too: lower case, hyphens for spaces, only letters,
// digits, hyphens and underscores, and a number after an id that is already in use.
type anchors map[string]int

// Generate implements parser.IDs.
func (a anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	id := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(string(value)))
	n := a[id]
	a[id] = n + 1
	if n > 0 {
		id += "-" + strconv.Itoa(n)
	}
	return []byte(id)
}

// Put implements parser.IDs.
func (a anchors) Put(value []byte) { a[string(value)]++ }
