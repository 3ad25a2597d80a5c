// The state in the header: live, working, failed, or idle, which shows none.

export function setState(kind, text) {
  const state = document.getElementById("state");
  state.hidden = kind === "idle" && text === "";
  state.dataset.state = kind;
  const says = document.getElementById("state-text");
  if (says.textContent !== text) says.textContent = text;
}
