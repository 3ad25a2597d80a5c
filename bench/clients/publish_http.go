package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// OverHTTP publishes n records in sequential requests, which alternate between a
// record as JSON, a record as a bare value, and a batch.
func (p *Publisher) OverHTTP(ctx context.Context, n int) error {
	web := p.web()
	defer web.CloseIdleConnections()
	for request := 0; p.more(n); request++ {
		pause(ctx, p.Every)
		var records []int
		var body, query, id string
		contentType := "application/json"
		switch request % 3 {
		case 0:
			number, key, value := p.next()
			records, body = []int{number}, fmt.Sprintf(`{%s"key":%q,"data":%s}`, p.idField(number), key, value)
		case 1:
			number, key, value := p.next()
			records, body, query, contentType = []int{number}, value, "?key="+url.QueryEscape(key), "application/vnd.reading+json"
			if p.IDs {
				id = p.idOf(number)
			}
		case 2:
			var entries []string
			for range 5 {
				number, key, value := p.next()
				records = append(records, number)
				entries = append(entries, fmt.Sprintf(`{%s"key":%q,"data":%s}`, p.idField(number), key, value))
			}
			body = `{"records":[` + strings.Join(entries, ",") + `]}`
		}
		if err := p.post(ctx, web, query, contentType, id, body, records); err != nil {
			return err
		}
	}
	return nil
}

// web returns a client with connections of its own.
func (p *Publisher) web() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		return dial(ctx, addr, p.Wire)
	}}}
}

// ask sends a body, with a message id in a header unless id is "", and returns the status and the
// answer.
func (p *Publisher) ask(ctx context.Context, web *http.Client, query, contentType, id, body string) (int, []byte, error) {
	address := fmt.Sprintf("http://%s/v1/streams/%s/records%s", p.Addr, p.Stream, query)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Authorization", "Bearer "+p.Token)
	if id != "" {
		request.Header.Set("Idempotency-Key", `"`+id+`"`)
	}
	response, err := web.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

func (p *Publisher) post(ctx context.Context, web *http.Client, query, contentType, id, body string, records []int) error {
	status, text, err := p.ask(ctx, web, query, contentType, id, body)
	if err != nil {
		return err
	}
	var answer struct {
		Results []result `json:"results"`
		result
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("%s: answered %d with %q: %w", p.Session, status, text, err)
	}
	results := answer.Results
	if len(records) == 1 || status >= http.StatusMultipleChoices {
		// An error applies to all records.
		results = slices.Repeat([]result{answer.result}, len(records))
	}
	if len(results) != len(records) {
		return fmt.Errorf("%w: %s: answered %d for %d records: %s", errProtocol, p.Session, status, len(records), text)
	}
	for i, number := range records {
		if err := p.answer(number, results[i]); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
	}
	return nil
}
