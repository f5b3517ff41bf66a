// A checkbox with data-selects="name" selects all boxes of that name in its form. Without JavaScript it is not shown.
for (const all of document.querySelectorAll("[data-selects]")) {
  const boxes = [...all.form.elements].filter((each) => each.name === all.dataset.selects);
  const show = () => {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  };
  all.hidden = false;
  all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
  boxes.forEach((box) => box.addEventListener("change", show));
  show();
}
