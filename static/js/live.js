// The live page: htmx swaps #run; this says aloud what changed in kind (never every second), says it in the tab's title as
// well, and asks less often while nobody looks.
const announcer = document.getElementById("announcer");
const title = document.title;
let lastAsked = 0;

function announce() {
  const text = document.querySelector("#run [data-announce]")?.dataset.announce;
  if (!text || announcer.textContent === text) return;
  announcer.textContent = text;
  document.title = `${text} ${title}`;
}

document.addEventListener("htmx:afterSettle", announce);
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && Date.now() - lastAsked < 10_000) event.preventDefault();
  else lastAsked = Date.now();
});
// A poll that finds the session ended gets 401; the reload leads to the sign-in page and back here.
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) location.reload();
});
announce();
