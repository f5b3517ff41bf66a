// The live page: htmx swaps #run; this only says aloud what changed in kind (never every second) and keeps the title right.
const announcer = document.getElementById("announcer");

function announce() {
  const text = document.querySelector("#run [data-announce]")?.dataset.announce;
  if (text && announcer.textContent !== text) announcer.textContent = text;
}

document.addEventListener("htmx:afterSettle", announce);
// A poll that finds the session ended gets the sign-in answer; going there and back loses nothing.
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) location.reload();
});
announce();
