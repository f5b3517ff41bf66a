// The upload form with drag and drop, progress, and nothing lost when the session or the network is gone: the chosen file
// stays in the field until the server has answered that it has it. Without this script the form is a plain multipart post.
const form = document.querySelector("form[data-upload]");
const field = form.querySelector("input[type=file]");
const zone = form.querySelector(".drop");
const button = form.querySelector("button[type=submit]");
const notice = form.querySelector("[data-upload-notice]");
const chosen = form.querySelector("[data-upload-chosen]");
const progressRow = form.querySelector(".upload-progress");
const progress = progressRow.querySelector("progress");
const progressText = progressRow.querySelector("output");
const limit = Number(form.dataset.limit);

const size = (bytes) => (bytes < 2 ** 20 ? `${Math.max(1, Math.round(bytes / 2 ** 10))} KB` : `${+(bytes / 2 ** 20).toFixed(1)} MB`);
const cookie = (name) => document.cookie.split("; ").find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);

function say(text, tint = "warn") {
  notice.textContent = text;
  notice.className = `notice ${tint}`;
  notice.hidden = !text;
}

function showChosen() {
  const file = field.files[0];
  chosen.textContent = file ? `${file.name}, ${size(file.size)}` : "";
  if (file && file.size > limit) say(`This file has ${size(file.size)}; the limit is ${size(limit)}. Leave out data, .git and virtual environments, and choose it again.`);
  else say("");
}

function finish() {
  button.disabled = false;
  progressRow.hidden = true;
}

function answered(request) {
  let answer = {};
  try { answer = JSON.parse(request.responseText); } catch { /* a page, not our JSON: told apart by the status below */ }
  if (request.status === 201 && answer.url) {
    progressText.textContent = "Received";
    location.assign(answer.url);
    return;
  }
  finish();
  if (request.status === 401) say("Your session has ended. Sign in in another tab, then press Upload again; the file is still here.");
  else if (answer.error) say(answer.error);
  else if (request.status === 403) say("This page is no longer current. Press Upload again; the file is still here. If that does not help, reload the page.");
  else if (request.status === 413) say(`The file is larger than the limit of ${size(limit)}.`);
  else say("The server had a problem and did not take the file. That is our fault and no attempt was used; press Upload again in a minute.", "ours");
}

function send(event) {
  event.preventDefault();
  if (button.disabled) return;
  const file = field.files[0];
  if (!file) { say("Choose a file first."); field.focus(); return; }
  if (file.size > limit) { showChosen(); return; }
  say("");
  button.disabled = true;
  progressRow.hidden = false;
  progress.value = 0;
  progressText.textContent = "0 %";

  const data = new FormData(form);
  // A sign-in in another tab changes the token; the cookie has the current one.
  const current = cookie(form.dataset.csrfCookie);
  if (current) data.set("csrfmiddlewaretoken", current);
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.upload.addEventListener("progress", (step) => {
    if (!step.lengthComputable) return;
    progress.value = step.loaded / step.total;
    progressText.textContent = step.loaded < step.total ? `${Math.floor((100 * step.loaded) / step.total)} %` : "Checking the file";
  });
  request.addEventListener("load", () => answered(request));
  request.addEventListener("error", () => {
    finish();
    say("The connection broke before the file had arrived. Press Upload again; the file is still here, and a file that did arrive counts once.");
  });
  request.send(data);
}

form.addEventListener("submit", send);
field.addEventListener("change", () => {
  // Another file is another attempt: only pressing Upload again with the same file may count once.
  form.querySelector("input[name=upload_key]").value = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  showChosen();
});
for (const type of ["dragenter", "dragover"]) zone.addEventListener(type, (event) => { event.preventDefault(); zone.classList.add("over"); });
for (const type of ["dragleave", "drop"]) zone.addEventListener(type, () => zone.classList.remove("over"));
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length !== 1) { say("Drop one file: a zip or tar of your repository."); return; }
  field.files = event.dataTransfer.files;
  showChosen();
  button.focus();
});
showChosen();
