package web_test

import (
	"testing"
)

const dialogIs = `document.querySelector("dialog[open]") !== null && `

func TestSessionsInABrowser(t *testing.T) {
	t.Parallel()
	o := newOperated(t, 250)
	o.sessions[3]["principal"] = hostile
	ctx := o.show("#sessions")
	until(ctx, t, `document.querySelectorAll("#sessions-table > tbody").length === 100`)
	picture(ctx, t, "sessions")
	run(ctx, t, `document.querySelector("[data-session=s00003] button").click()`)
	until(ctx, t, `document.querySelector(".details dd") !== null`)
	picture(ctx, t, "sessions-details")
	run(ctx, t, `[...document.querySelectorAll(".details button")].at(-1).click()`)
	until(ctx, t, dialogIs+`document.activeElement.textContent === "Cancel"`)
	picture(ctx, t, "sessions-kick")
}
