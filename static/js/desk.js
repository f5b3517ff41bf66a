// The desk from the keyboard. An element with data-key is reached by that key from anywhere on the page, one with data-within by
// that key inside the criterion where the focus was last. Single keys rest while somebody types, and when they are turned off.
// Without this script everything is there by links, labels and buttons.
const desk = document.getElementById("desk");
let current = null;

const typing = (element) => element?.matches("textarea, select, input:not([type='checkbox'], [type='radio'], [type='submit'])");

function reach(element) {
  if (!element) return false;
  for (let box = element.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  if (element.matches("a")) element.click();
  else if (element.matches("summary")) (element.parentElement.querySelector("input, textarea, button") ?? element).focus();
  else if (element.matches("details")) { element.open = true; element.querySelector("summary").focus(); }
  else { element.focus(); element.select?.(); }
  element.scrollIntoView({ block: "nearest" });
  return true;
}

function within(key) {
  const criterion = current ?? desk.querySelector(".criterion");
  return criterion?.querySelector(`[data-within="${key}"]`);
}

document.addEventListener("focusin", (event) => { current = event.target.closest(".criterion") ?? current; });
document.addEventListener("keydown", (event) => {
  const field = document.activeElement;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field?.form && desk.contains(field)) {
    event.preventDefault();
    field.form.requestSubmit();
  } else if (event.key === "Escape" && typing(field)) {
    field.blur();
  } else if (desk.dataset.shortcuts === "on" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(field)) {
    if (!/^[a-z1-9?]$/.test(event.key)) return;
    if (reach(desk.querySelector(`[data-key="${event.key}"]`) ?? within(event.key))) event.preventDefault();
  }
});

// A form is sent once, however often somebody presses the keys.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  else event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

// A saved comment goes into the reason at once; the hidden field lets the server count its use.
desk.addEventListener("click", (event) => {
  const saved = event.target.closest("button[data-text]");
  if (!saved) return;
  event.preventDefault();
  const reason = saved.form.elements.reason;
  reason.value = `${reason.value.trim()} ${saved.dataset.text}`.trim();
  const used = Object.assign(document.createElement("input"), { type: "hidden", name: "used", value: saved.value });
  saved.form.append(used);
  saved.closest("details").open = false;
  reason.focus();
});

// The number of a line fills in the form for a remark.
desk.addEventListener("click", (event) => {
  const number = event.target.closest("a[data-line]");
  const form = document.getElementById("remark");
  if (!number || !form) return;
  event.preventDefault();
  form.elements.line.value = number.dataset.line;
  form.elements.text.focus();
});

desk.dataset.ready = "yes";
