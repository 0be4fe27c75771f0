// Moves a cursor over each timeline while its audio plays; a click on the timeline seeks.
for (const sample of document.querySelectorAll(".sample")) {
  const audio = sample.querySelector("audio");
  const svg = sample.querySelector(".timeline svg");
  if (!audio || !svg) continue;
  const cursor = svg.querySelector(".cursor");
  const seconds = Number(svg.dataset.seconds);
  const move = () => {
    const x = (audio.currentTime / seconds) * svg.width.baseVal.value;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.classList.toggle("on", audio.currentTime > 0);
    if (!audio.paused) requestAnimationFrame(move);
  };
  audio.addEventListener("play", move);
  audio.addEventListener("seeked", move);
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    audio.currentTime = ((event.clientX - box.left) / box.width) * seconds;
    audio.play();
  });
}
