const list = document.getElementById("messages");
const none = document.getElementById("none");
let shown = "";

function entry({ at, kind, to, body }) {
  const item = document.createElement("li");
  const header = document.createElement("header");
  const text = document.createElement("pre");
  for (const part of [kind, to, new Date(at).toLocaleString()]) {
    const span = document.createElement("span");
    span.textContent = part;
    header.append(span);
  }
  text.textContent = body;
  item.append(header, text);
  return item;
}

async function refresh() {
  const answer = await fetch("/dev/messages");
  const text = await answer.text();
  if (text === shown) return;
  shown = text;
  const messages = JSON.parse(text);
  list.replaceChildren(...messages.map(entry));
  none.hidden = messages.length > 0;
}

document.getElementById("clear").addEventListener("click", async () => {
  await fetch("/dev/messages", { method: "DELETE" });
  await refresh();
});

async function watch() {
  // A local run that was stopped comes back: keep asking.
  await refresh().catch(() => {});
  setTimeout(watch, 1000);
}
watch();
