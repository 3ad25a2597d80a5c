package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// report is the delivery report of a record in version 3 of the REST proxy.
type report struct {
	ErrorCode   int `json:"error_code"`
	PartitionID int `json:"partition_id"`
	Offset      int64
	Message     string
}

// proxied3 publishes records as a producer of a REST proxy, in chunks as its body has no length.
func proxied3(ctx context.Context, t *testing.T, i *instance, topic, bearer, body string) (all []report) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+i.addr+"/kafka/v3/clusters/any/topics/"+topic+"/records", struct{ *strings.Reader }{strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for d := json.NewDecoder(response.Body); d.More(); {
		var one report
		if err := d.Decode(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}
