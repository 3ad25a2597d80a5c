package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// sendAll opens all examples of a page one after the other, sends each of their requests, and
// leaves what became of them in printed, as text.
const sendAll = `
	const until = async (is) => { while (!is()) await new Promise((resolve) => setTimeout(resolve, 20)); };
	for (const box of document.querySelectorAll(".trial")) {
		box.querySelector("button").click();
		const form = box.querySelector("form"), which = form.querySelector("select");
		const stream = [...form.querySelectorAll("label")].find((label) => label.firstChild.textContent === "Stream");
		for (const { value } of which.options.length ? [...which.options] : [{ value: "" }]) {
			if (value) { which.value = value; which.dispatchEvent(new Event("change")); }
			const request = form.querySelector("textarea"), answer = form.querySelector(".answer"), status = form.querySelector("output");
			answer.textContent = "";
			await until(() => stream.hidden || stream.querySelector("option")); // the streams may still be asked for
			await new Promise((resolve) => setTimeout(resolve)); // and the request is then written
			form.requestSubmit();
			await until(() => answer.textContent.match(/^HTTP \d+|^S /m) || status.dataset.kind === "bad");
			const first = answer.textContent.match(/^HTTP \d+|^S .*/m)?.[0] ?? status.textContent;
			form.querySelector("button.quiet").click();
			await until(() => form.querySelector("button.quiet").disabled);
			printed.push(request.value.split("\n")[0] + " → " + first);
		}
		box.querySelector("button").click();
	}
	printed.push("all");`

// Each example whose requests a page can send is sent from the page itself, and this server
// answers it.
func TestExamplesOfTheDocumentsRun(t *testing.T) {
	chromium := program(t, "chromium")
	s := &site{t: t, page: "http://" + startDev(t)}
	s.ctx = startChromium(t, chromium)
	entries, err := os.ReadDir("../../web/docs")
	if err != nil {
		t.Fatal(err)
	}
	all, refused := 0, 0
	for _, entry := range entries {
		name, is := strings.CutSuffix(entry.Name(), ".md")
		if !is {
			continue
		}
		if name == "README" {
			name = ""
		}
		s.visit(s.page + "/docs/" + name + "?")
		s.begin(sendAll)
		s.until(`printed.at(-1) === "all" || printed.some((line) => line.startsWith("failed"))`)
		printed, err := chromedp.Run(s.ctx, chromedp.Evaluate[[]string]("printed"))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range printed[:len(printed)-1] {
			all++
			switch {
			case strings.Contains(line, "has a place for a token"), strings.Contains(line, "has a place for a cursor"):
				refused++
			case !strings.Contains(line, "→ HTTP ") && !strings.Contains(line, "→ S "), strings.Contains(line, "→ HTTP 5"):
				t.Errorf("%s: %s", entry.Name(), line)
			}
		}
	}
	t.Logf("of %d requests, %d want a token or a cursor", all, refused)
	if all-refused < 60 {
		t.Errorf("only %d examples could be sent", all-refused)
	}

	// What is published by one example is what another reads.
	s.visit(s.page + "/docs/PROTOCOL?")
	s.begin(fmt.Sprintf(`
		document.querySelector(".trial button").click();
		const form = document.querySelector(".trial form"), which = form.querySelector("select");
		which.value = [...which.options].findIndex((o) => o.text.startsWith("POST"));
		which.dispatchEvent(new Event("change"));
		form.querySelector("textarea").value = form.querySelector("textarea").value.replace("hello", %[1]q);
		form.requestSubmit();
		while (!form.querySelector(".answer").textContent.includes('"offset"')) await new Promise((resolve) => setTimeout(resolve, 20));
		form.querySelector("textarea").value = "GET /v1/streams/chat.lobby/records?from=last:1";
		while (!form.querySelector(".answer").textContent.includes(%[1]q)) { // what is stored is read a moment later
			form.requestSubmit();
			while (form.querySelector("output").textContent !== "Done") await new Promise((resolve) => setTimeout(resolve, 20));
		}
		printed.push("read");`, "written by an example"))
	s.until(`printed.includes("read")`)
}

func TestTheSearchOfTheDocuments(t *testing.T) {
	chromium := program(t, "chromium")
	s := &site{t: t, page: "http://" + startDev(t)}
	s.ctx = startChromium(t, chromium)
	s.visit(s.page + "/docs/start?")
	search := func(text string) {
		s.evaluate(fmt.Sprintf(`search = document.getElementById("search"); search.focus(); search.value = %q; search.dispatchEvent(new Event("input")); 0`, text))
	}
	search("Resume_Window")
	s.until(`document.querySelectorAll("#found-list a").length > 1 && /sections/.test(document.getElementById("found-count").textContent)`)
	s.until(`[...document.querySelectorAll("#found-list mark")].every((mark) => mark.textContent.toLowerCase() === "resume_window")`)
	search(`c++ [a-z]* <img src=x> zzzz`)
	s.until(`document.getElementById("found-count").textContent === "Nothing was found."`)
	search(`<token`)
	s.until(`document.querySelectorAll("#found-list a").length > 0`)
	search("close codes")
	s.until(`document.querySelectorAll("#found-list a").length > 0`)
	s.evaluate(`search.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowDown", bubbles: true})); 0`)
	s.until(`document.activeElement === document.querySelector("#found-list a")`)
	s.evaluate(`document.activeElement.click(); 0`)
	s.until(`!location.pathname.endsWith("start") || location.hash.length > 1`)
	s.until(`document.getElementById("found").hidden`)
}
