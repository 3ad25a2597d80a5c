package web

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// searchName is the file that a page searches in once somebody searches.
const searchName = "search.json"

// section is a heading of a document, and the text below it up to the next heading.
type section struct {
	Page    string `json:"page"` // the link to it from other pages
	Title   string `json:"title"`
	Heading string `json:"heading,omitempty"` // empty before the first heading
	ID      string `json:"id,omitempty"`
	Text    string `json:"text"`
}

// sections returns the sections of a document, in order. Headings of level 4 and deeper are
// part of the text.
func (d *document) sections() []section {
	all := []section{{Page: pageOf(d.name), Title: d.title}}
	var text strings.Builder
	end := func() { all[len(all)-1].Text = strings.Join(strings.Fields(text.String()), " ") }
	headings := d.headings
	for n := d.root.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok && h.Level <= 3 {
			if h.Level == 1 {
				continue
			}
			end()
			text.Reset()
			all = append(all, section{Page: pageOf(d.name), Title: d.title, Heading: headings[0].Text, ID: headings[0].ID})
			headings = headings[1:]
			continue
		}
		d.write(&text, n)
	}
	end()
	return all
}

// write appends the words of a block and of the blocks in it.
func (d *document) write(text *strings.Builder, n ast.Node) {
	if n.Type() == ast.TypeBlock && (n.Kind() == ast.KindFencedCodeBlock || n.Kind() == ast.KindCodeBlock) {
		for i := range n.Lines().Len() {
			line := n.Lines().At(i)
			text.Write(line.Value(d.source))
		}
		return
	}
	if first := n.FirstChild(); first == nil || first.Type() == ast.TypeInline {
		text.WriteString(plain(n, d.source))
		text.WriteByte(' ')
		return
	}
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		d.write(text, child)
	}
}

// addSearched adds what the pages search in.
func (all files) addSearched(path string, sections []section) error {
	b, err := json.Marshal(sections)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	all.addPage(path, ".json", b)
	f := all[path]
	if f.zipped, err = zipped(b); err != nil {
		return fmt.Errorf("compress %s: %w", path, err)
	}
	all[path] = f
	return nil
}
