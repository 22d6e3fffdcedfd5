// Two conveniences, both without which the pages work: `/` goes to the search, and the live log grows by itself.
"use strict";

document.addEventListener("keydown", (event) => {
  const field = document.getElementById("q");
  const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  if (event.key === "/" && field && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    field.focus();
    field.select();
  }
});

const element = (tag, className, ...content) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
};

const line = (event) => {
  const [owner, name] = event.environment.split("/");
  const link = element("a", "name", element("span", "owner", `${owner}/`), element("wbr"), name);
  link.href = `/environments/${event.environment}`;
  const time = element("time", "", "just now");
  time.dateTime = time.title = event.time;
  const item = element(
    "li", `${event.kind} new`,
    element("span", "kind", event.kind),
    element("span", "what", link, " generation ", element("b", "", String(event.generation))),
    element("span", "by", `${event.author}, `, time),
  );
  if (event.message) item.append(element("span", "message", event.message));
  return item;
};

const log = document.getElementById("events");
const state = document.getElementById("stream");
if (log && state && window.EventSource) {
  const source = new EventSource(log.dataset.source);
  const say = (text, on) => { state.textContent = text; state.classList.toggle("on", on); };
  source.onopen = () => say("Following", true);
  source.onerror = () => say(source.readyState === EventSource.CLOSED ? "Ended; reload to go on" : "Connecting again…", false);
  for (const kind of ["push", "switch", "rollback"]) {
    source.addEventListener(kind, (message) => {
      log.prepend(line(JSON.parse(message.data)));
      while (log.children.length > 200) log.lastElementChild.remove();
    });
  }
}
