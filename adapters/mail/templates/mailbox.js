const say = (button, text) => {
  const before = button.textContent;
  button.textContent = text;
  setTimeout(() => { button.textContent = before; }, 1200);
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.copy) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say(button, "Copied");
    } catch {
      say(button, "Select it instead");
    }
  } else if (button.dataset.reload) {
    location.reload();
  } else if (button.dataset.clear) {
    const answer = await fetch(button.dataset.clear, { method: "DELETE" });
    if (answer.ok) location.reload(); else say(button, "Failed");
  }
});
