package main

import (
	"errors"
	"fmt"
	"testing"

	"sluice/transport/client"
)

// rowOf is the row of u42's session.
const rowOf = `[...document.querySelectorAll("#sessions-table > tbody:not([data-ended])")].find((row) => row.querySelector("bdi").textContent === "u42")`

// TestConsoleOperatesSessions: a session of the Go client is seen, is drained and comes back
// by itself without loss, and is kicked, which ends it.
func TestConsoleOperatesSessions(t *testing.T) {
	t.Parallel()
	o := newOperations(t)
	o.open("#sessions", "")
	o.until(`document.getElementById("connect-fault")?.textContent.includes("nobody in without a token")`)
	o.open("#sessions", o.token("u42", "live"))
	o.until(`document.getElementById("withheld-says")?.textContent.includes("The principal u42")`)

	f := o.follow(t.Context(), o.token("u42", "live"), client.Earliest)
	o.produce(0, 50)
	f.until(t, 50)
	o.open("#sessions", o.token("ops", "operate"))
	o.until(rowOf + ` !== undefined`)
	o.do(rowOf + `.querySelector("button").click()`)
	o.until(rowOf + `.querySelector(".details").textContent.includes("50 records")`)
	for _, want := range []string{"orders", "live", "web-7"} {
		o.until(fmt.Sprintf(`%s.querySelector(".inner").textContent.includes(%q)`, rowOf, want))
	}

	o.do(`window.session = ` + rowOf + `.dataset.session`)
	o.confirm(rowOf + `.querySelector(".details .choices button").click()`)
	o.until(`document.getElementById("sessions-result").dataset.kind === "good"`)
	o.produce(50, 100)
	offsets := f.until(t, 100)
	for n, offset := range offsets {
		if offset != int64(n) {
			t.Fatalf("after the drain, record %d has the offset %d", n, offset)
		}
	}
	f.untilLost(t) // its records may have come before it left
	o.until(rowOf + ` !== undefined && ` + rowOf + `.dataset.session !== session`)

	o.do(rowOf + `.querySelector("button").click()`)
	o.confirm(rowOf + `.querySelector(".details .choices button:last-child").click()`)
	err := <-f.ended
	if told, ok := errors.AsType[*client.Error](err); !ok || told.Code != "kicked" {
		t.Errorf("after the kick the client ends with %v", err)
	}
	o.until(`document.getElementById("sessions-result").textContent === "Kicked u42."`)
	o.until(rowOf + ` === undefined`)
}

// TestConsoleMovesCursors: a subscription resumes where the console has moved its cursor.
func TestConsoleMovesCursors(t *testing.T) {
	t.Parallel()
	o := newOperations(t)
	user, operator := o.token("u42", "live"), o.token("ops", "operate")
	f := o.follow(t.Context(), user, client.Earliest)
	o.produce(0, 30)
	f.until(t, 30)

	const row = `document.querySelector("#cursors-table [data-cursor=web-7]:not([data-ended])")`
	o.open("#sessions?show=cursors&stream=orders", operator)
	o.until(row + `?.textContent.includes("0: 30")`)
	o.until(row + `.textContent.includes("by a subscription")`)

	// Its session is ended first, so that no ack follows.
	o.open("#sessions", operator)
	o.until(rowOf + ` !== undefined`)
	o.do(rowOf + `.querySelector("button").click()`)
	o.confirm(rowOf + `.querySelector(".details .choices button:last-child").click()`)
	if err := <-f.ended; err == nil {
		t.Error("the session was kicked, and its client has no error")
	}

	o.open("#sessions?show=cursors&stream=orders", operator)
	o.until(row + `?.textContent.includes("0: 30")`)
	o.until(`!` + row + `.textContent.includes("by a subscription")`)
	o.do(row + `.querySelector(".acts button").click()`)
	o.do(`document.getElementById("move-kind").value = "offset"; document.getElementById("move-kind").dispatchEvent(new Event("change"));
		document.getElementById("move-offset").value = "12"; document.getElementById("move-form").requestSubmit()`)
	o.until(`document.getElementById("move-from").textContent === "0: 30" && document.getElementById("move-to").textContent === "offset 12 of partition 0"`)
	o.do(`document.getElementById("move-yes").click()`)
	o.until(`document.getElementById("sessions-result").dataset.kind === "good"`)
	o.until(row + `.textContent.includes("0: 12")`)

	again := o.follow(t.Context(), user, "")
	offsets := again.until(t, 18)
	if offsets[0] != 12 || offsets[17] != 29 {
		t.Errorf("the subscription resumes at %v", offsets)
	}

	o.confirm(row + `.querySelector(".acts button:last-child").click()`)
	o.until(`document.getElementById("sessions-result").textContent.startsWith("Removed web-7")`)
}
